"""Halving by means of four: its gradient, and that it undoes a doubling."""

from __future__ import annotations

import numpy as np
from checks.upsample import check_means
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import downsample, upsample

FLAT = settings(deadline=None, max_examples=10)
SIDE = st.integers(1, 3)


@FLAT
@given(N=SIDE, C=SIDE, H=SIDE, W=SIDE)
def test_gradients_of_the_means(**sizes: int) -> None:
    check_means(**sizes)


def test_a_mean_of_four() -> None:
    x = np.arange(8.0).reshape(1, 1, 2, 4)
    np.testing.assert_array_equal(downsample.forward(x), [[[[2.5, 4.5]]]])
    np.testing.assert_array_equal(downsample.forward(upsample.forward(x)), x)
