"""The gated unit against one value and one gate at a time."""

from __future__ import annotations

import numpy as np
from checks.activations import check_geglu_gradient, check_geglu_values, geglu_arrays
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import geglu

ROWS, SMALL = st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple), st.integers(1, 3)


@settings(deadline=None, max_examples=20)
@given(ROWS, SMALL, SMALL)
def test_values_and_gradients(rows: tuple[int, ...], K: int, J: int) -> None:
    check_geglu_values(rows, K, J)
    check_geglu_gradient(rows, K, J)


def test_float32_stays_float32() -> None:
    given = {name: values.astype(np.float32) for name, values in geglu_arrays((2, 3), 2, 3).items()}
    y, cache = geglu.forward(**given)
    assert {y.dtype, *(gradient.dtype for gradient in geglu.backward(y, cache))} == {np.dtype(np.float32)}
