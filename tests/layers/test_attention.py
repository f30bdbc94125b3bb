"""Attention against its definition, one query at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.attention import arrays, check_gradients, check_values
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import attention

FLAT = settings(deadline=None, max_examples=30)
SMALL = st.integers(1, 3)


@FLAT
@given(N=SMALL, L=st.integers(1, 6), M=st.integers(0, 5), heads=SMALL, d=SMALL, masked=st.booleans())
def test_values_and_gradients(**sizes: Any) -> None:
    check_values(**sizes)
    check_gradients(**sizes)


def test_a_mask_of_what_all_may_see_changes_no_bit() -> None:
    given = arrays(2, 4, 3, 4)
    o, _ = attention.forward(**given, heads=2)
    np.testing.assert_array_equal(attention.forward(**given, heads=2, mask=np.ones((1, 1, 3), bool))[0], o)


def test_the_first_of_a_causal_mask_sees_itself_alone_and_the_last_sees_all() -> None:
    given = arrays(2, 4, 4, 4)
    o, _ = attention.forward(**given, heads=2, mask=attention.causal(4))
    np.testing.assert_allclose(o[:, 0], given["v"][:, 0], rtol=1e-14)
    np.testing.assert_array_equal(o[:, -1], attention.forward(**given, heads=2)[0][:, -1])


def test_equal_keys_give_the_mean_and_large_scores_the_nearest() -> None:
    v = np.random.default_rng(0).normal(size=(1, 4, 2)).astype(np.float32)
    same, _ = attention.forward(v, np.ones_like(v), v, 1)
    np.testing.assert_allclose(same[0], np.tile(v[0].mean(axis=0), (4, 1)), atol=1e-6)
    apart = 1e18 * np.eye(4, dtype=np.float32)[None]  # scores of 5e35: their exponentials would overflow
    nearest, cache = attention.forward(apart, apart, np.tile(v, 2), 1)
    np.testing.assert_array_equal(nearest, np.tile(v, 2))
    assert {nearest.dtype, *(gradient.dtype for gradient in attention.backward(nearest, cache))} == {v.dtype}
