"""exp, the sigmoid and SiLU's slope, against NumPy's in float64."""

from __future__ import annotations

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
