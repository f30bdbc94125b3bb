"""The quick form against x times the sigmoid of 1.702 x."""

from __future__ import annotations

import numpy as np
from checks.activations import check_quick_gelu_gradient, check_quick_gelu_values
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import quick_gelu

SHAPES, SEEDS = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), st.integers(0, 10_000)


@settings(deadline=None, max_examples=30)
@given(SHAPES, SEEDS)
def test_values_and_gradients(shape: tuple[int, ...], seed: int) -> None:
    check_quick_gelu_values(shape, seed)
    check_quick_gelu_gradient(shape, seed)


def test_float32_stays_float32() -> None:
    y, cache = quick_gelu.forward(np.linspace(-3.0, 3.0, 7, dtype=np.float32))
    assert y.dtype == quick_gelu.backward(y, cache).dtype == np.float32
