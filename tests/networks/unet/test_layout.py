"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import numpy as np
from checks.unet_kernel import wide

from numpy_diffusion.kernels.layers import conv, winograd
from numpy_diffusion.kernels.layers.images import NOWHERE
from numpy_diffusion.kernels.unet.calls import CALL, Packing
from numpy_diffusion.kernels.unet.packing import pack
from numpy_diffusion.kernels.vector.registers import LANES
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.layout import layout, used

MODEL = wide()
LAYOUT, COUNT = layout(MODEL.shapes), parameters.size(MODEL.shapes)
NUMBERS = parameters.views(np.arange(COUNT), MODEL.shapes)


def places(packing: Packing) -> np.ndarray:
    """For each packed number before U the flat parameter that it is, -1 for the zeros that fill up panels."""
    target = np.empty(packing.size, np.float32)
    pack(np.arange(1, COUNT + 1, dtype=np.float32), packing._replace(squares=packing.squares[:0]), target)
    return target[: packing.numbers].astype(int) - 1


def test_each_parameter_lies_once_among_the_weights() -> None:
    assert COUNT < 2**24  # as float32 can count
    found = places(LAYOUT.weights)
    assert sorted(found[found >= 0].tolist()) == list(range(COUNT))
    assert LAYOUT.count == COUNT


def test_matrices_are_panels_and_all_else_as_it_is() -> None:
    matrices = [name for name, shape in MODEL.shapes.items() if len(shape) > 1 and "class" not in name]
    straight, back = places(LAYOUT.weights), places(LAYOUT.turned)
    for name, numbers in NUMBERS.items():
        wanted = numbers.ravel()
        if name in matrices:
            square = numbers.reshape(*numbers.shape[:2], *(numbers.shape[2:] or (1, 1)))
            wanted, turned = conv.panels(square, -1), conv.turned(square, -1)
            at = LAYOUT.turned.at[name]
            np.testing.assert_array_equal(back[at : at + len(turned)], turned)
        at = LAYOUT.weights.at[name]
        np.testing.assert_array_equal(straight[at : at + len(wanted)], wanted)
    assert sorted(LAYOUT.turned.at) == sorted(matrices)


def test_u_lies_behind_the_weights_and_nothing_overlaps() -> None:
    for packing, way in ((LAYOUT.weights, 1), (LAYOUT.turned, -1)):
        end = packing.numbers
        for (weight, at, C, J), name in zip(packing.squares.tolist(), packing.squares_at, strict=True):
            assert MODEL.shapes[name][:2][::way] == (J, C)
            assert winograd.suits(C, J)
            assert (weight, at) == (packing.at[name], packing.squares_at[name])
            assert at % LANES == 0
            assert at >= end
            end = at + winograd.PATCH * C * J
        assert packing.size == max(end, -(-packing.numbers // LANES) * LANES)
    assert LAYOUT.weights.squares_at  # the network has such a convolution


def test_u_is_made_for_those_alone_that_go_by_squares() -> None:
    weights, turned = LAYOUT.weights, LAYOUT.turned
    assert len(weights.squares) > 1
    calls = np.zeros(3, CALL)
    calls["squares"] = NOWHERE
    calls[1]["squares"] = weights.squares[-1, 1]
    calls[2]["squares"], calls[2]["turned"] = turned.squares[0, 1], True
    found = used(LAYOUT, calls)
    assert found.weights.squares.tolist() == weights.squares[-1:].tolist()
    assert found.turned.squares.tolist() == turned.squares[:1].tolist()
    assert (found.weights.size, found.turned.at) == (weights.size, turned.at)
    _, at, C, J = turned.squares[0].tolist()
    assert found.turned.size == at + winograd.PATCH * C * J
    assert used(LAYOUT, calls[:0]).weights.size == -(-weights.numbers // LANES) * LANES
