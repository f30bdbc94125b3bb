"""Parameters as named views of one contiguous buffer: optimiser, checkpoint and gradient check need one loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

Parameters = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


def size(shapes: Shapes) -> int:
    """How many numbers the parameters of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())


def starts(shapes: Shapes) -> dict[str, int]:
    """Where each name's numbers begin in a buffer."""
    ends = itertools.accumulate(map(math.prod, shapes.values()), initial=0)
    return dict(zip(shapes, ends, strict=False))


def views(buffer: np.ndarray, shapes: Shapes) -> Parameters:
    """One view of `buffer` for each name, in the order of `shapes`.

    Examples
    --------
    >>> parameters = views(np.zeros(5), {"weight": (2, 2), "bias": (1,)})
    >>> parameters["bias"][:] = 7
    >>> parameters["bias"].base[4]
    np.float64(7.0)
    """
    return views_at(buffer, shapes, starts(shapes))


def views_at(buffer: np.ndarray, shapes: Shapes, starts: Mapping[str, int]) -> Parameters:
    """`views` of a buffer in which they begin elsewhere."""
    return {
        name: buffer[starts[name] : starts[name] + math.prod(shape)].reshape(shape) for name, shape in shapes.items()
    }
