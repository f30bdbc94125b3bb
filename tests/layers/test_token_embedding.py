"""The embedding of tokens and places: a row each, and the gradient adds over a token's places."""

from __future__ import annotations

import numpy as np
from checks.text_layers import check_token_embedding
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import token_embedding


@settings(deadline=None, max_examples=20)
@given(N=st.integers(1, 3), L=st.integers(1, 4), more=st.integers(0, 2))
def test_the_gradients(N: int, L: int, more: int) -> None:
    check_token_embedding(N, L, more)


def test_values() -> None:
    tokens, places = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[10.0, 20.0], [30.0, 40.0], [np.nan, np.nan]])
    y, _ = token_embedding.forward(np.array([[1, 0], [1, 1]]), tokens, places)
    np.testing.assert_array_equal(y, [[[12, 23], [30, 41]], [[12, 23], [32, 43]]])
