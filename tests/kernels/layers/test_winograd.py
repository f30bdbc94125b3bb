"""The gradient by squares of 2 x 2 pixels: its matrices, its scratch, where it serves; the rest is in `test_conv`."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.vector.registers import LANES, WIDEST_LANES, WIDEST_VECTOR

FLAT = settings(deadline=None, max_examples=30)


def test_the_matrices_make_a_convolution():
    """y = A^T ((G w G^T) (B^T x B)) A is the correlation of a patch with a window, exactly in whole numbers."""
    A, B, G = (np.array(matrix, float) for matrix in (winograd.A, winograd.B, winograd.G))
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 10, (4, 4)).astype(float), 4.0 * rng.integers(-9, 10, (3, 3))
    y = A.T @ ((G @ w @ G.T) * (B.T @ x @ B)) @ A
    wanted = [[(x[i : i + 3, j : j + 3] * w).sum() for j in range(2)] for i in range(2)]
    np.testing.assert_array_equal(y, wanted)


@FLAT
@given(st.integers(1, 200), st.integers(1, 200))
def test_nothing_in_the_scratch_overlaps(squares, C):
    place = winograd.scratch_for(squares, C)
    assert place.apart_v >= squares * C
    assert place.v + winograd.PATCH * place.apart_v <= place.m
    assert place.apart_m >= squares * LANES
    assert place.m + winograd.PATCH * place.apart_m <= place.du
    assert place.apart_du >= C * LANES
    assert place.du + winograd.PATCH * place.apart_du <= place.end


def test_only_channels_that_fill_the_widest_registers_suit():
    assert winograd.suits(WIDEST_VECTOR, WIDEST_LANES)
    assert not winograd.suits(WIDEST_VECTOR // 2, WIDEST_LANES)
    assert not winograd.suits(WIDEST_VECTOR, WIDEST_LANES + WIDEST_VECTOR)
