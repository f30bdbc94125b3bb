"""GELU at known values, and its gradient."""

from __future__ import annotations

import numpy as np
from checks.transformer import check_gelu

from numpy_diffusion.layers import gelu


def test_gradient() -> None:
    check_gelu()


def test_a_normal_number_below_it_by_so_much() -> None:
    """P(N(0, 1) < 1) = 0.8413447461 and so on, from tables."""
    y, _ = gelu.forward(np.array([-1.0, 0.0, 1.0, 2.0]))
    np.testing.assert_allclose(y, [-0.1586552539, 0.0, 0.8413447461, 2 * 0.9772498681], atol=1e-9)


def test_far_out_it_is_the_number_or_nothing_in_its_own_dtype() -> None:
    x = np.array([-40.0, 40.0], np.float32)
    y, cache = gelu.forward(x)
    assert y.tolist() == [0.0, 40.0]
    assert y.dtype == gelu.backward(y, cache).dtype == np.float32
