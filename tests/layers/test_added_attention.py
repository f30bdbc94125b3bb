"""Attention to pixels and added states: gradients of every array, and what it is without states."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.blocks import attention_params, check_added
from checks.layer_gradients import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import added_attention, attention_block

FLAT = settings(deadline=None, max_examples=6)
SMALL = st.integers(1, 2)


@FLAT
@given(N=SMALL, heads=SMALL, d=SMALL, H=SMALL, W=SMALL, M=st.integers(1, 3), E=SMALL)
def test_gradients_of_added_attention(**sizes: Any) -> None:
    check_added(**sizes)


def test_of_states_that_must_not_be_seen_nothing_is_left_but_the_attention_of_pixels() -> None:
    given, params = drawn(0, x=(2, 4, 2, 3), states=(2, 3, 2)), attention_params(4, 2)
    found, _ = added_attention.forward(**given, params=params, groups=2, heads=2, mask=np.zeros((2, 3), bool))
    wanted, _ = attention_block.forward(given["x"], params_of_pixels(params), 2, added_attention.EPS, 2)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def params_of_pixels(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in params.items() if not name.startswith("add_")}


def test_one_softmax_goes_over_pixels_and_states() -> None:
    """With equal logits each of four pixels and two states that are there counts a sixth."""
    given, params = drawn(0, x=(1, 1, 2, 2), states=(1, 3, 2)), attention_params(1, 2)
    params["to_q.weight"][:] = params["to_q.bias"][:] = params["to_v.weight"][:] = params["to_v.bias"][:] = 0.0
    params["to_out.0.weight"][:], params["to_out.0.bias"][:] = 1.0, 0.0
    mask = np.array([[True, False, True]])
    y, _ = added_attention.forward(**given, params=params, groups=1, heads=1, mask=mask)
    values = given["states"][0] @ params["add_v_proj.weight"][0] + params["add_v_proj.bias"]
    np.testing.assert_allclose(y - given["x"], np.full_like(y, values[[0, 2]].sum() / 6), atol=1e-12)
