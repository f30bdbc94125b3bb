"""Quick GELU against its definition and its symmetry."""

from __future__ import annotations

import math

import numpy as np
from checks.text_layers import check_quick_gelu
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import quick_gelu


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
def test_the_gradient(shape: tuple[int, ...]) -> None:
    check_quick_gelu(shape)


def test_values() -> None:
    x = np.array([-700.0, -2.0, -0.5, 0.0, 1.0, 3.0, 400.0])
    y, _ = quick_gelu.forward(x)
    exact = [value / (1.0 + math.exp(min(-1.702 * value, 700.0))) for value in x]
    np.testing.assert_allclose(y, exact, rtol=1e-14, atol=1e-12)
    np.testing.assert_allclose(y - quick_gelu.forward(-x)[0], x, rtol=1e-14)  # sigmoid(x) + sigmoid(-x) = 1


def test_nothing_overflows_and_the_dtype_stays() -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([-np.finfo(dtype).max / 2, -1e30, 0.0, 1e30], dtype)
        with np.errstate(over="raise", invalid="raise"):
            y, cache = quick_gelu.forward(x)
            dx = quick_gelu.backward(np.ones_like(x), cache)
        np.testing.assert_array_equal(y, np.maximum(x, 0.0))
        np.testing.assert_array_equal(dx, [0.0, 0.0, 0.5, 1.0])
        assert y.dtype == dx.dtype == dtype
