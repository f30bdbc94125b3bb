"""Winograd's convolution: its matrices, its scratch, and where it serves; the rest is in `test_conv`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.vector.registers import LANES, VECTOR, WIDEST_LANES, WIDEST_VECTOR

FLAT = settings(deadline=None, max_examples=30)


def test_the_matrices_make_a_convolution():
    """y = A^T ((G w G^T) (B^T x B)) A is the correlation of a patch with a window, exactly in whole numbers."""
    A, B, G = (np.array(matrix, float) for matrix in (winograd.A, winograd.B, winograd.G))
    rng = np.random.default_rng(0)
    x, w = rng.integers(-9, 10, (4, 4)).astype(float), 4.0 * rng.integers(-9, 10, (3, 3))
    y = A.T @ ((G @ w @ G.T) * (B.T @ x @ B)) @ A
    wanted = [[(x[i : i + 3, j : j + 3] * w).sum() for j in range(2)] for i in range(2)]
    np.testing.assert_array_equal(y, wanted)


def test_the_centre_of_a_patch_goes_into_all_outputs_with_a_factor_of_1():
    row, column = divmod(winograd.CENTRE, 4)
    np.testing.assert_array_equal(np.outer(winograd.A[row], winograd.A[column]), np.ones((2, 2)))


@pytest.mark.parametrize("parts", [1, 3])
def test_transform_is_g_w_g_transposed(parts):
    C, J = 2 * VECTOR, 2 * LANES
    w = np.random.default_rng(1).normal(size=(2, 3, 3, C, LANES)).astype(np.float32)
    weights = np.concatenate([w.ravel(), np.zeros(winograd.PATCH * C * J, np.float32)])
    for part in range(parts):
        winograd.transform(weights, 0, w.size, C, J, part, parts)
    G = np.array(winograd.G)
    wanted = np.einsum("ai,bj,pijcl->pabcl", G, G, w.astype(float))
    np.testing.assert_allclose(weights[w.size :].reshape(wanted.shape), wanted, atol=1e-5)


@FLAT
@given(st.integers(0, 99), st.integers(1, 200), st.integers(1, 200))
def test_nothing_in_the_scratch_overlaps(at, squares, C):
    place = winograd.scratch_from(at, squares, C)
    assert place.zeros == at
    assert place.zeros + LANES <= place.v
    assert place.apart_v >= squares * C
    assert place.v + winograd.PATCH * place.apart_v <= place.m
    assert place.apart_m >= squares * LANES
    assert place.m + winograd.PATCH * place.apart_m <= place.du
    assert place.du + winograd.PATCH * C * LANES <= place.end


def test_only_channels_that_fill_the_widest_registers_suit():
    assert winograd.suits(WIDEST_VECTOR, WIDEST_LANES)
    assert not winograd.suits(WIDEST_VECTOR // 2, WIDEST_LANES)
    assert not winograd.suits(WIDEST_VECTOR, WIDEST_LANES + WIDEST_VECTOR)
