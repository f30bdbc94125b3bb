"""GEGLU: the first half through the gate of the second, and the gradient."""

from __future__ import annotations

import numpy as np
from checks.transformer import check_geglu
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import geglu, gelu


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 4), st.integers(1, 4))
def test_gradient(N: int, C: int) -> None:
    check_geglu(N, C)


def test_the_second_half_is_the_gate() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
    y, cache = geglu.forward(x)
    np.testing.assert_allclose(y, x[..., :4] * gelu.forward(x[..., 4:])[0], rtol=1e-6)
    assert (y.dtype, geglu.backward(y, cache).dtype) == (x.dtype, x.dtype)
