"""Attention against its definition, one query at a time."""

from __future__ import annotations

import numpy as np
from checks.attention import arrays, check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import attention

FLAT = settings(deadline=None, max_examples=30)
SMALL = st.integers(1, 3)


def check_values(N: int = 2, L: int = 5, heads: int = 2, d: int = 3) -> None:
    given = arrays(N, L, heads * d)
    o, _ = attention.forward(**given, heads=heads)
    for n, i, head in np.ndindex(N, L, heads):
        q, k, v = (part[n, :, head * d : head * d + d] for part in given.values())
        weights = np.exp([q[i] @ key / np.sqrt(d) for key in k])
        np.testing.assert_allclose(o[n, i, head * d : head * d + d], weights @ v / weights.sum(), rtol=0, atol=1e-13)


@FLAT
@given(N=SMALL, L=st.integers(1, 6), heads=SMALL, d=SMALL)
def test_values_and_gradients(N: int, L: int, heads: int, d: int) -> None:
    check_values(N, L, heads, d)
    check_gradients(N, L, heads, d)


def test_equal_keys_give_the_mean_and_large_scores_the_nearest() -> None:
    v = np.random.default_rng(0).normal(size=(1, 4, 2)).astype(np.float32)
    same, _ = attention.forward(v, np.ones_like(v), v, 1)
    np.testing.assert_allclose(same[0], np.tile(v[0].mean(axis=0), (4, 1)), atol=1e-6)
    apart = 1e18 * np.eye(4, dtype=np.float32)[None]  # scores of 5e35: their exponentials would overflow
    nearest, cache = attention.forward(apart, apart, np.tile(v, 2), 1)
    np.testing.assert_array_equal(nearest, np.tile(v, 2))
    assert {nearest.dtype, *(gradient.dtype for gradient in attention.backward(nearest, cache))} == {v.dtype}
