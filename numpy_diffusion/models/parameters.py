"""Parameters as named views of one contiguous buffer: optimiser, checkpoint and gradient check need one loop."""

from __future__ import annotations

import math

import numpy as np

Parameters = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


def size(shapes: Shapes) -> int:
    """How many numbers the parameters of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())


def views(buffer: np.ndarray, shapes: Shapes) -> Parameters:
    """One view of `buffer` for each name, in the order of `shapes`.

    Examples
    --------
    >>> parameters = views(np.zeros(5), {"weight": (2, 2), "bias": (1,)})
    >>> parameters["bias"][:] = 7
    >>> parameters["bias"].base[4]
    np.float64(7.0)
    """
    named, start = {}, 0
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        named[name] = buffer[start:end].reshape(shape)
        start = end
    return named
