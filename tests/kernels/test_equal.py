"""Arrays are the same where all bits are, wherever the one that differs may be."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.equal import BLOCK, equal


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3 * BLOCK), st.floats(0, 1, exclude_max=True), st.sampled_from([np.float32, np.float64]))
def test_one_other_bit_is_seen_wherever_it_is(n, at, dtype):
    one = np.random.default_rng(n).normal(size=n).astype(dtype)
    other = one.copy()
    assert equal(one, other)
    assert not equal(one, np.append(other, dtype(0)))
    if n:
        other[int(at * n)] = np.nextafter(other[int(at * n)], dtype(np.inf))
        assert not equal(one, other)


def test_a_nan_is_as_itself_and_the_sign_of_zero_counts():
    one = np.float32([np.nan, 0.0])
    assert equal(one, one.copy())
    assert not equal(one, one * np.float32(-1))
