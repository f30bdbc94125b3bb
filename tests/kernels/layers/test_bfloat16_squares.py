"""Winograd's convolution in bfloat16: its weights and its scratch; the rest is in `test_bfloat16_conv`."""

from __future__ import annotations

import numpy as np
import pytest
from checks.bfloat16 import nearest, words
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import bfloat16_squares, winograd
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, WIDEST_VECTOR

FLAT = settings(deadline=None, max_examples=30)


def test_the_centre_of_a_patch_goes_into_all_outputs_with_a_factor_of_1() -> None:
    row, column = divmod(bfloat16_squares.CENTRE, 4)
    np.testing.assert_array_equal(np.outer(winograd.A[row], winograd.A[column]), np.ones((2, 2)))


@pytest.mark.parametrize("parts", [1, 3])
def test_transform_is_g_w_g_transposed_rounded(parts: int) -> None:
    """Of weights in 8 bits, so that U is exact in float32."""
    C, J = WIDEST_VECTOR, 2 * LANES
    w = np.random.default_rng(1).integers(-128, 129, (2, 3, 3, C, LANES)).astype(np.float32)
    G = np.array(winograd.G, np.float32)
    u = np.einsum("ai,bj,pijcl->pabcl", G, G, w).reshape(-1, C, LANES)
    found = np.zeros(8 * C * J, np.float32)
    for part in range(parts):
        bfloat16_squares.transform(w.ravel(), 0, found, 0, C, J, part, parts)
    assert (found.view(np.uint32) == words(u[:, ::2], u[:, 1::2]).ravel().view(np.uint32)).all()
    assert np.abs(nearest(u) - u).any()


@FLAT
@given(st.integers(0, 99), st.integers(1, 80).map(lambda n: n * WIDEST_VECTOR))
def test_nothing_in_the_scratch_overlaps(at: int, C: int) -> None:
    place = bfloat16_squares.scratch_from(at, C)
    assert place.squares % ROWS == 0
    assert place.squares > 0
    assert place.zeros == at
    assert place.zeros + LANES <= place.starts
    assert place.starts + place.squares * LANES <= place.v
    assert place.apart_v >= place.squares * C // 2
    assert place.v + winograd.PATCH * place.apart_v <= place.m
    assert place.apart_m >= place.squares * LANES
    assert place.m + winograd.PATCH * place.apart_m <= place.end
    assert bfloat16_squares.scratch_size(C) == bfloat16_squares.scratch_from(0, C).end
