"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import math

import numpy as np
from checks.unet_kernel import wide

from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import NOWHERE
from numpy_diffusion.kernels.unet.calls import CALL
from numpy_diffusion.kernels.vector.registers import LANES
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.layout import layout, used

MODEL = wide()
LAYOUT, COUNT = layout(MODEL.shapes), parameters.size(MODEL.shapes)
NUMBERS = parameters.views(np.arange(COUNT), MODEL.shapes)
MATRICES = [name for name, shape in MODEL.shapes.items() if len(shape) > 1 and "class" not in name]


def test_all_parameters_have_a_piece_that_says_where_they_are_and_their_shape() -> None:
    assert LAYOUT.count == COUNT
    for packing, names in ((LAYOUT.weights, list(NUMBERS)), (LAYOUT.turned, MATRICES)):
        pieces = {int(piece["at"]): piece for piece in packing.pieces}
        assert sorted(packing.at) == sorted(names)
        for name in names:
            piece, shape = pieces[packing.at[name]], MODEL.shapes[name]
            assert piece["flat"] == NUMBERS[name].min()
            wanted = (*shape[:2], math.prod(shape[2:])) if name in MATRICES else (math.prod(shape), 1, 0)
            assert (piece["outputs"], piece["inputs"], piece["taps"]) == wanted


def test_pieces_lie_one_behind_the_other_matrices_as_panels_behind_all_else() -> None:
    for packing in (LAYOUT.weights, LAYOUT.turned):
        end = 0
        for piece in packing.pieces.tolist():
            _, at, J, C, taps = piece
            assert at == end
            if taps == 0:
                end, plain = at + J, at + J
                assert plain <= packing.plain
            else:
                assert at >= packing.plain
                outputs, inputs = (C, J) if packing.turned else (J, C)
                end = at + -(-outputs // LANES) * LANES * inputs * taps
        assert end == packing.count
    assert (LAYOUT.weights.turned, LAYOUT.turned.turned, LAYOUT.turned.plain) == (False, True, 0)


def test_u_lies_behind_the_weights_and_nothing_overlaps() -> None:
    for packing, way in ((LAYOUT.weights, 1), (LAYOUT.turned, -1)):
        end = packing.count
        for (weight, at, C, J), name in zip(packing.squares.tolist(), packing.squares_at, strict=True):
            assert MODEL.shapes[name][:2][::way] == (J, C)
            assert winograd.suits(C, J)
            assert (weight, at) == (packing.at[name], packing.squares_at[name])
            assert at % LANES == 0
            assert at >= end
            end = at + winograd.PATCH * C * J
        assert packing.size == max(end, -(-packing.count // LANES) * LANES)
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
    assert used(LAYOUT, calls[:0]).weights.size == -(-weights.count // LANES) * LANES
