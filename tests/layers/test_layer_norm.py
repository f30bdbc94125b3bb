"""Layer norm against its definition, a row at a time."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn
from checks.transformer import check_layer_norm
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import layer_norm

FLAT, SMALL = settings(deadline=None, max_examples=10), st.integers(1, 4)


@FLAT
@given(N=SMALL, L=SMALL, C=SMALL)
def test_gradients(N: int, L: int, C: int) -> None:
    check_layer_norm(N, L, C)


def test_each_row_by_itself() -> None:
    arrays = drawn(0, x=(2, 3, 5), weight=(5,), bias=(5,))
    y, _ = layer_norm.forward(**arrays, eps=1e-5)
    for row, found in zip(arrays["x"].reshape(-1, 5), y.reshape(-1, 5), strict=True):
        normed = (row - row.mean()) / np.sqrt(row.var() + 1e-5)
        np.testing.assert_allclose(found, normed * arrays["weight"] + arrays["bias"], atol=1e-13)


def test_a_flat_row_is_its_bias_in_its_own_dtype() -> None:
    x = np.full((1, 4), 7.0, np.float32)
    y, cache = layer_norm.forward(x, np.ones(4, np.float32), np.arange(4, dtype=np.float32), 1e-5)
    np.testing.assert_array_equal(y[0], np.arange(4))
    assert {y.dtype, *(gradient.dtype for gradient in layer_norm.backward(y, cache))} == {np.dtype(np.float32)}
