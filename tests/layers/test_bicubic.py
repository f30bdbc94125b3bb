"""Cubic interpolation: what it gives of constants, lines and single pixels, and that it is exact on its own grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import bicubic

FLAT = settings(deadline=None, max_examples=20)
SIZE = st.integers(1, 12)


@FLAT
@given(large=SIZE, small=SIZE)
def test_each_row_of_the_map_has_sum_1(large: int, small: int) -> None:
    found = bicubic.matrix(large, small)
    assert found.shape == (large, small)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found, found[::-1, ::-1], atol=1e-12)  # left and right are alike


def test_of_the_same_size_an_image_is_itself() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)
    np.testing.assert_array_equal(bicubic.forward(x, 5, 7), x)


def test_a_slope_stays_a_slope_where_four_pixels_are_seen() -> None:
    x = np.arange(8.0)[None]
    found = bicubic.forward(x, 1, 16)[0]
    np.testing.assert_allclose(found[4:-4], (np.arange(16) / 2 - 0.25)[4:-4], atol=1e-12)


def keys(x: float) -> float:
    """The cubic as printed, of a distance below 2."""
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x < 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2


def test_twice_the_size_weighs_by_keys_cubic() -> None:
    """At a quarter and three quarters of a pixel's way."""
    np.testing.assert_allclose(bicubic.matrix(16, 8)[8, 2:6], [keys(x) for x in (1.75, 0.75, 0.25, 1.25)], atol=1e-12)


def test_a_quarter_of_the_size_weighs_by_a_cubic_four_times_as_wide() -> None:
    """Anti-aliasing: of sixteen pixels, where enlarging sees four."""
    wanted = np.array([keys(abs(j + 0.5 - 10) / 4) for j in range(2, 18)])
    np.testing.assert_allclose(bicubic.matrix(8, 32)[2, 2:18], wanted / wanted.sum(), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_and_columns_are_mapped_one_after_the_other(dtype: type) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(dtype)
    found = bicubic.forward(x, 8, 10)
    assert found.dtype == dtype
    wanted = np.einsum("ah,nchw,bw->ncab", bicubic.matrix(8, 4), x.astype(float), bicubic.matrix(10, 5))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
