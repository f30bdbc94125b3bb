"""Where a U-Net's parameters lie for its kernels."""

from __future__ import annotations

import math

import numpy as np
from checks.unet_kernel import wide

from numpy_diffusion.kernels.vector.registers import LANES
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.layout import layout

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
        assert packing.size == -(-end // LANES) * LANES
    assert (LAYOUT.weights.turned, LAYOUT.turned.turned, LAYOUT.turned.plain) == (False, True, 0)
