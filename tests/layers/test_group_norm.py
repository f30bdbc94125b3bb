"""Group norm against its definition, a group at a time."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from checks.group_norm import arrays, check_gradients, check_values
from checks.layer_gradients import wrong_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import group_norm

FLAT = settings(deadline=None, max_examples=30)
SMALL = st.integers(1, 3)
PIXELS = st.lists(st.integers(1, 4), max_size=2).map(tuple)


@FLAT
@given(N=SMALL, groups=SMALL, each=SMALL, pixels=PIXELS)
def test_values_and_gradients(N: int, groups: int, each: int, pixels: tuple[int, ...]) -> None:
    check_values(N, groups, each, pixels)
    check_gradients(N, groups, each, pixels)


def test_gradients_with_the_eps_of_networks() -> None:
    assert wrong_gradients(partial(group_norm.forward, groups=2), group_norm.backward, arrays(2, 4, (5, 3))) == []


@pytest.mark.parametrize("eps", [1e-5, 1e-6])
def test_a_flat_group_is_its_bias(eps: float) -> None:
    x = np.full((1, 4, 3, 3), 7.0, np.float32)
    y, cache = group_norm.forward(x, np.ones(4, np.float32), np.arange(4, dtype=np.float32), 2, eps)
    np.testing.assert_array_equal(y[0, :, 0, 0], np.arange(4))
    assert {y.dtype, *(gradient.dtype for gradient in group_norm.backward(y, cache))} == {np.dtype(np.float32)}
