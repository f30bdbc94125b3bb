"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import math

import numpy as np

from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.unet.calls import PIECE, Layout, Packing, Piece
from numpy_diffusion.kernels.vector.registers import LANES
from numpy_diffusion.models import parameters


def layout(shapes: parameters.Shapes) -> Layout:
    """The layout for the kernels of parameters with these shapes, which lie flat in this order.

    Weights of convolutions and linear layers become panels (`conv.panels`), for the gradient by the input those of
    the turned windows; all else stays as it is, before them.

    Examples
    --------
    >>> found = layout({"norm.weight": (3,), "linear.weight": (2, 3), "norm.bias": (3,)})
    >>> found.weights.at, found.weights.plain, found.turned.at
    ({'norm.weight': 0, 'norm.bias': 3, 'linear.weight': 6}, 6, {'linear.weight': 0})
    """
    plain: dict[str, Piece] = {}
    matrices: dict[str, Piece] = {}
    starts = parameters.starts(shapes)
    for name, shape in shapes.items():
        if len(shape) > 1 and name != "class_embedding.weight":
            matrices[name] = Piece(starts[name], 0, shape[0], shape[1], math.prod(shape[2:]))
        else:
            plain[name] = Piece(starts[name], 0, math.prod(shape), 1, 0)
    return Layout(_packing(plain | matrices, False), _packing(matrices, True), parameters.size(shapes))


def _packing(parts: dict[str, Piece], turned: bool) -> Packing:
    """The parts one behind the other."""
    at, end, plain, pieces = {}, 0, 0, []
    for name, part in parts.items():
        at[name] = end
        pieces.append(part._replace(at=end))
        if part.taps == 0:
            end += part.outputs
            plain = end
        else:
            outputs, inputs = (part.inputs, part.outputs) if turned else (part.outputs, part.inputs)
            end += round_up(outputs, LANES) * inputs * part.taps
    return Packing(at, np.array(pieces, PIECE), turned, plain, end, round_up(end, LANES))
