"""GELU against x times the normal distribution function."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from checks.activations import check_gelu_gradient, check_gelu_values
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import gelu

SHAPES, SEEDS = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), st.integers(0, 10_000)
FORMS = get_args(gelu.Form)


@settings(deadline=None, max_examples=30)
@given(SHAPES, SEEDS, st.sampled_from(FORMS))
def test_values_and_gradients(shape: tuple[int, ...], seed: int, form: gelu.Form) -> None:
    check_gelu_values(shape, seed)
    check_gelu_gradient(form, shape, seed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_however_large_the_input(form: gelu.Form, dtype: Any) -> None:
    largest = np.finfo(dtype).max
    x = np.array([-largest, -1e30, -100.0, 0.0, 100.0, 1e30, largest], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, cache = gelu.forward(x, form)
        dx = gelu.backward(np.ones_like(x), cache)
    np.testing.assert_array_equal(y, np.maximum(x, 0.0))
    np.testing.assert_array_equal(dx, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0])
    assert y.dtype == dx.dtype == dtype


def test_an_unknown_form_is_none() -> None:
    with pytest.raises(AssertionError, match="relu"):
        gelu.forward(np.zeros(1), "relu")  # type: ignore[arg-type]
