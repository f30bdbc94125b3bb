"""The GELU by a tanh against the GELU, and its gradient."""

from __future__ import annotations

import math

import numpy as np
from checks.text_layers import check_gelu_tanh
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import gelu_tanh


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
def test_the_gradient(shape: tuple[int, ...]) -> None:
    check_gelu_tanh(shape)


def test_it_is_the_gelu_but_for_little() -> None:
    """At most 4.8e-4 between the two, by the paper's choice of the cubic term."""
    x = np.linspace(-6.0, 6.0, 1201)
    y, _ = gelu_tanh.forward(x)
    exact = [0.5 * value * (1.0 + math.erf(value / math.sqrt(2.0))) for value in x]
    assert 4e-4 < np.abs(y - exact).max() < 4.8e-4
    np.testing.assert_allclose(y - gelu_tanh.forward(-x)[0], x, atol=1e-14)


def test_the_dtype_stays() -> None:
    y, cache = gelu_tanh.forward(np.array([-100.0, 0.0, 100.0], np.float32))
    np.testing.assert_array_equal(y, [0.0, 0.0, 100.0])
    dx = gelu_tanh.backward(np.ones_like(y), cache)
    np.testing.assert_array_equal(dx, [0.0, 0.5, 1.0])
    assert y.dtype == dx.dtype == np.float32
