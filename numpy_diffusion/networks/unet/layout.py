"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import math

import numpy as np

from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.unet.calls import PART, Form, Layout, Packing, Part
from numpy_diffusion.kernels.vector.registers import LANES
from numpy_diffusion.models import parameters

Channels = dict[str, tuple[int, int]]  # in and out, of the convolutions of 3 x 3 by name


def layout(shapes: parameters.Shapes) -> Layout:
    """The layout for the kernels of parameters with these shapes, which lie flat in this order.

    Weights of convolutions and linear layers become panels (`conv.panels`), for the gradient by the input those of
    the turned windows; all else stays as it is.

    Examples
    --------
    >>> found = layout({"norm.weight": (3,), "norm.bias": (3,)})
    >>> found.weights.at, found.weights.numbers, found.turned.at, found.count
    ({'norm.weight': 0, 'norm.bias': 3}, 6, {}, 6)
    """
    straight: dict[str, Part] = {}
    turned: dict[str, Part] = {}
    starts = parameters.starts(shapes)
    for name, shape in shapes.items():
        if len(shape) > 1 and name != "class_embedding.weight":
            J, C, *window = shape
            straight[name] = Part(starts[name], 0, J, C, math.prod(window), Form.PANELS)
            turned[name] = straight[name]._replace(form=Form.TURNED)
        else:
            straight[name] = Part(starts[name], 0, math.prod(shape), 1, 1, Form.PLAIN)
    channels = {name: (shape[1], shape[0]) for name, shape in shapes.items() if shape[2:] == (3, 3)}
    back = {name: (J, C) for name, (C, J) in channels.items()}
    return Layout(_packing(straight, channels), _packing(turned, back), parameters.size(shapes))


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
    return packing._replace(squares=found, size=max(ends, default=round_up(packing.numbers, LANES)))


def _packing(parts: dict[str, Part], channels: Channels) -> Packing:
    """The parts one behind the other, and behind them U of the 3 x 3 convolutions whose channels fill registers."""
    at, placed, end = {}, [], 0
    for name, part in parts.items():
        at[name] = end
        placed.append(part._replace(at=end))
        end += _size(part)
    squares, squares_at, size = [], {}, round_up(end, LANES)
    for name, (C, J) in channels.items():
        if winograd.suits(C, J):
            squares_at[name] = size
            squares.append((at[name], size, C, J))
            size += winograd.PATCH * C * J
    rows = np.array(placed, PART), np.array(squares, np.int64).reshape(-1, 4)
    return Packing(at, squares_at, *rows, end, size)


def _size(part: Part) -> int:
    """How many packed numbers a part becomes: of panels the last is filled up with zeros."""
    outputs, inputs = (part.inputs, part.outputs) if part.form == Form.TURNED else (part.outputs, part.inputs)
    return part.taps * inputs * (outputs if part.form == Form.PLAIN else round_up(outputs, LANES))
