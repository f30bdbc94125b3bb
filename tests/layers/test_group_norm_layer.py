"""Group norm against its definition, a group at a time."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import group_norm

FLAT = settings(deadline=None, max_examples=30)
SMALL = st.integers(1, 3)
PIXELS = st.lists(st.integers(1, 4), max_size=2).map(tuple)


def arrays(N: int, C: int, pixels: tuple[int, ...]) -> dict[str, np.ndarray]:
    return drawn(N + C, x=(N, C, *pixels), weight=(C,), bias=(C,))


def check_gradients(N: int = 2, groups: int = 2, each: int = 2, pixels: tuple[int, ...] = (3, 4)) -> None:
    """With an eps so large that differences are good where a group has few values, all much alike."""
    forward = partial(group_norm.forward, groups=groups, eps=0.1)
    assert wrong_gradients(forward, group_norm.backward, arrays(N, groups * each, pixels)) == []


def check_values(N: int = 2, groups: int = 2, each: int = 2, pixels: tuple[int, ...] = (3, 4)) -> None:
    given = arrays(N, groups * each, pixels)
    x, weight, bias = given.values()
    y, _ = group_norm.forward(**given, groups=groups, eps=0.01)
    for n, c in np.ndindex(x.shape[:2]):
        group = x[n, c - c % each : c - c % each + each]
        expected = (x[n, c] - group.mean()) / np.sqrt(group.var() + 0.01) * weight[c] + bias[c]
        np.testing.assert_allclose(y[n, c], expected, rtol=1e-12, atol=1e-12)


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
