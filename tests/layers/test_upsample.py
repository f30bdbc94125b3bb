"""Upsampling: each pixel four times, and the gradient is the sum of four."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn
from checks.upsample import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import upsample

SHAPES = st.tuples(*[st.integers(1, 4)] * 4)


@settings(deadline=None, max_examples=30)
@given(SHAPES)
def test_values_and_gradients(shape: tuple[int, ...]) -> None:
    x = drawn(0, x=shape)["x"]
    y = upsample.forward(x)
    for row, column in np.ndindex(2, 2):
        np.testing.assert_array_equal(y[:, :, row::2, column::2], x)
    check_gradients(shape)
