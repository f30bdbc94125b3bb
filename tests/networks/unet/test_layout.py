"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import numpy as np
from checks.unet_kernel import wide

from numpy_diffusion.kernels.layers import conv, winograd
from numpy_diffusion.kernels.layers.images import NOWHERE
from numpy_diffusion.kernels.unet.calls import CALL
from numpy_diffusion.kernels.vector.registers import LANES
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.layout import layout, used

MODEL = wide()
LAYOUT, COUNT = layout(MODEL.shapes), parameters.size(MODEL.shapes)
NUMBERS = parameters.views(np.arange(COUNT), MODEL.shapes)


def test_each_parameter_lies_once_among_the_weights_and_its_place_is_known() -> None:
    source = LAYOUT.weights.source
    assert sorted(source[source < COUNT].tolist()) == list(range(COUNT))
    np.testing.assert_array_equal(source[LAYOUT.place], np.arange(COUNT))
    assert set(source[source >= COUNT].tolist()) == {COUNT}  # zeros


def test_matrices_are_panels_and_all_else_as_it_is() -> None:
    matrices = [name for name, shape in MODEL.shapes.items() if len(shape) > 1 and "class" not in name]
    for name, numbers in NUMBERS.items():
        wanted = numbers.ravel()
        if name in matrices:
            square = numbers.reshape(*numbers.shape[:2], *(numbers.shape[2:] or (1, 1)))
            wanted = conv.panels(square, COUNT)
            at, back = LAYOUT.turned.at[name], conv.turned(square, COUNT)
            np.testing.assert_array_equal(LAYOUT.turned.source[at : at + len(back)], back)
        at = LAYOUT.weights.at[name]
        np.testing.assert_array_equal(LAYOUT.weights.source[at : at + len(wanted)], wanted)
    assert sorted(LAYOUT.turned.at) == sorted(matrices)


def test_u_lies_behind_the_weights_and_nothing_overlaps() -> None:
    for packing, way in ((LAYOUT.weights, 1), (LAYOUT.turned, -1)):
        end = len(packing.source)
        for (weight, at, C, J), name in zip(packing.squares.tolist(), packing.squares_at, strict=True):
            assert MODEL.shapes[name][:2][::way] == (J, C)
            assert winograd.suits(C, J)
            assert (weight, at) == (packing.at[name], packing.squares_at[name])
            assert at % LANES == 0
            assert at >= end
            end = at + winograd.PATCH * C * J
        assert packing.size == max(end, -(-len(packing.source) // LANES) * LANES)
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
