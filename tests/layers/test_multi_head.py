"""Multi-head attention: gradients of every array, to itself and to a context, under any names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.layer_gradients import drawn
from checks.transformers import check_hidden_context, check_multi_head, multi_head_params
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import attention, multi_head

FLAT = settings(deadline=None, max_examples=15)
SMALL = st.integers(1, 2)
NAMES = st.sampled_from([multi_head.Names(), multi_head.Names("q_proj", "k_proj", "v_proj", "out_proj")])


@FLAT
@given(
    N=SMALL,
    L=SMALL,
    M=SMALL,
    heads=SMALL,
    context=st.booleans(),
    masked=st.booleans(),
    biases=st.booleans(),
    names=NAMES,
)
def test_gradients(**sizes: Any) -> None:
    check_multi_head(**sizes)


def test_a_sequence_is_its_own_context() -> None:
    x, params = drawn(0, x=(2, 4, 3))["x"], multi_head_params(3, 3, 4, True, multi_head.Names())
    dy = drawn(1, dy=x.shape)["dy"]
    y, cache = multi_head.forward(x, None, params, 2)
    same, other = multi_head.forward(x, x, params, 2)
    np.testing.assert_array_equal(y, same)
    dx, nothing, _ = multi_head.backward(dy, cache)
    from_x, from_context, _ = multi_head.backward(dy, other)
    assert nothing is None
    assert from_context is not None
    np.testing.assert_allclose(dx, from_x + from_context, rtol=1e-13)


def test_what_comes_later_does_not_move_what_came_before() -> None:
    x, params = drawn(0, x=(1, 4, 3))["x"], multi_head_params(3, 3, 4, True, multi_head.Names())
    whole, _ = multi_head.forward(x, None, params, 2, attention.causal(4))
    for L in range(1, 5):
        part, _ = multi_head.forward(x[:, :L], None, params, 2, attention.causal(L))
        np.testing.assert_allclose(part, whole[:, :L], rtol=1e-12)


@pytest.mark.parametrize("heads", [1, 2])
def test_a_context_that_may_not_be_seen_does_not_matter(heads: int) -> None:
    check_hidden_context(heads)
