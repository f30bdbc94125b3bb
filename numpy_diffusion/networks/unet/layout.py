"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import math

import numpy as np

from numpy_diffusion.kernels.layers import winograd
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
    squares = [name for name in matrices if shapes[name][2:] == (3, 3)]
    straight, turned = _packing(plain | matrices, squares, False), _packing(matrices, squares, True)
    return Layout(straight, turned, parameters.size(shapes))


def used(where: Layout, calls: np.ndarray) -> Layout:
    """The layout with U of those convolutions alone that the calls do by squares; the place of the others' stays
    empty, and behind the last there is none.

    calls : `CALL` [n], of a plan with this layout
    """
    turned = calls["turned"] != 0
    return where._replace(
        weights=_used(where.weights, calls["squares"][~turned]), turned=_used(where.turned, calls["squares"][turned])
    )


def _used(packing: Packing, squares: np.ndarray) -> Packing:
    found = packing.squares[np.isin(packing.squares[:, 1], squares)]
    ends = [at + winograd.PATCH * C * J for _, at, C, J in found.tolist()]
    return packing._replace(squares=found, size=max(ends, default=round_up(packing.count, LANES)))


def _packing(parts: dict[str, Piece], squares: list[str], turned: bool) -> Packing:
    """The parts one behind the other, and behind them U of the 3 x 3 convolutions whose channels fill registers."""
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
    found, squares_at, size = [], {}, round_up(end, LANES)
    for name in squares:
        J, C = (parts[name].inputs, parts[name].outputs) if turned else (parts[name].outputs, parts[name].inputs)
        if winograd.suits(C, J):
            squares_at[name] = size
            found.append((at[name], size, C, J))
            size += winograd.PATCH * C * J
    rows = np.array(found, np.int64).reshape(-1, 4)
    return Packing(at, squares_at, np.array(pieces, PIECE), turned, rows, plain, end, size)
