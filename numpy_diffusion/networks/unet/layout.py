"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.kernels.layers import conv, winograd
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.unet.calls import CallKind, Layout, Packing
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
    >>> found.weights.at, found.weights.source.tolist(), found.turned.at
    ({'norm.weight': 0, 'norm.bias': 3}, [0, 1, 2, 3, 4, 5], {})
    """
    count = parameters.size(shapes)
    straight: dict[str, np.ndarray] = {}
    turned: dict[str, np.ndarray] = {}
    for name, numbers in parameters.views(np.arange(count, dtype=np.int32), shapes).items():
        packed = numbers
        if numbers.ndim > 1 and name != "class_embedding.weight":
            J, C, *window = numbers.shape
            square = numbers.reshape(J, C, *(window or (1, 1)))
            turned[name], packed = conv.turned(square, count), conv.panels(square, count)
        straight[name] = packed.ravel()
    channels = {name: (shape[1], shape[0]) for name, shape in shapes.items() if shape[2:] == (3, 3)}
    weights = _packing(straight, channels)
    real = np.flatnonzero(weights.source < count)  # the others are the zeros that fill up panels
    place = np.empty(count, np.int32)
    place[weights.source[real]] = real
    return Layout(weights, _packing(turned, {name: (J, C) for name, (C, J) in channels.items()}), place)


def used(where: Layout, calls: np.ndarray) -> Layout:
    """The layout with U of those convolutions alone that the calls do by squares; the place of the others' stays
    empty.

    calls : `CALL` [n], of a plan with this layout
    """
    calls = calls[calls["kind"] < CallKind.ROUND]  # what is rounded has a U of its own
    turned = calls["turned"] != 0
    return where._replace(
        weights=_used(where.weights, calls["squares"][~turned]), turned=_used(where.turned, calls["squares"][turned])
    )


def _used(packing: Packing, squares: np.ndarray) -> Packing:
    return packing._replace(squares=packing.squares[np.isin(packing.squares[:, 1], squares)])


def _packing(parts: dict[str, np.ndarray], channels: Channels) -> Packing:
    """The parts one behind the other, and behind them U of the 3 x 3 convolutions whose channels fill registers."""
    at, end = {}, 0
    for name, part in parts.items():
        at[name] = end
        end += len(part)
    source = np.concatenate([*parts.values()]) if parts else np.empty(0, np.int32)
    squares, squares_at, size = [], {}, round_up(end, LANES)
    for name, (C, J) in channels.items():
        if winograd.suits(C, J):
            squares_at[name] = size
            squares.append((at[name], size, C, J))
            size += winograd.PATCH * C * J
    return Packing(at, squares_at, source, np.array(squares, np.int64).reshape(-1, 4), size)
