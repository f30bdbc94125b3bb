"""exp, the sigmoid, the normal distribution and the slopes, against float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numpy_diffusion.kernels import elementary

VALUES = [-1e30, -100.0, -41.0, -1.0, -1e-9, 0.0, 1e-9, 0.3, 1.0, 41.0, 100.0, 1e30]
RANGE = elementary.RANGE * np.log(2)
ROUNDING = 4e-6  # 60 ln 2 times the rounding of x / ln 2


@pytest.mark.parametrize("x", VALUES)
def test_exp_and_sigmoid(x: float) -> None:
    kept = np.clip(x, -RANGE, RANGE)
    assert np.isclose(elementary.exp(np.float32(x)), np.exp(kept), rtol=ROUNDING)
    assert np.isclose(elementary.sigmoid(np.float32(x)), 1 / (1 + np.exp(-kept)), rtol=ROUNDING)


@pytest.mark.parametrize("x", np.linspace(-20, 20, 81))
def test_silu_slope_is_the_derivative(x: float) -> None:
    h = 1e-5
    silu = lambda u: u / (1 + np.exp(-u))  # noqa: E731
    assert np.isclose(elementary.silu_slope(np.float32(x)), (silu(x + h) - silu(x - h)) / (2 * h), atol=1e-5)


@pytest.mark.parametrize("x", [*np.linspace(-5, 5, 81), -40.0, 40.0, 1e-20])
def test_the_normal_distribution_and_the_slope_of_gelu(x: float) -> None:
    """Relative to its own size below zero too, where it is small."""
    below, density = 0.5 * math.erfc(-x / math.sqrt(2)), math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    found = elementary.normal_cdf(np.float32(x))
    assert np.isclose(found, below, rtol=3e-6, atol=1e-18)
    assert np.isclose(elementary.gelu_slope(np.float32(x), found), below + x * density, rtol=1e-5, atol=1e-6)
