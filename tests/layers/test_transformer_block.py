"""The transformer block: gradients of every array, and each of its three parts by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.layer_gradients import drawn
from checks.transformers import block_params, check_block, check_hidden_from_block
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import geglu, layer_norm, linear, multi_head, transformer_block
from numpy_diffusion.layers.named import inside, weight_and_bias

SMALL = st.integers(1, 2)
LAST = {"attn1": "attn1.to_out.0", "attn2": "attn2.to_out.0", "ff": "ff.net.2"}


@settings(deadline=None, max_examples=6)
@given(N=SMALL, L=SMALL, M=SMALL, heads=SMALL, masked=st.booleans())
def test_gradients(**sizes: Any) -> None:
    check_block(**sizes)


@pytest.mark.parametrize("part", LAST)
def test_a_block_is_what_its_parts_add(part: str) -> None:
    """With the last layers of the other two at zero."""
    given, params = drawn(0, x=(2, 3, 4), context=(2, 5, 2)), block_params(4, 2)
    for other, layer in LAST.items():
        if other != part:
            params[f"{layer}.weight"][:] = params[f"{layer}.bias"][:] = 0.0
    x, context = given.values()
    z = {number: layer_norm.forward(x, *weight_and_bias(params, f"norm{number}"))[0] for number in (1, 2, 3)}
    added = {
        "attn1": lambda: multi_head.forward(z[1], z[1], inside(params, "attn1"), 2)[0],
        "attn2": lambda: multi_head.forward(z[2], context, inside(params, "attn2"), 2)[0],
        "ff": lambda: linear.forward(
            geglu.forward(z[3], *weight_and_bias(params, "ff.net.0.proj"))[0], *weight_and_bias(params, "ff.net.2")
        )[0],
    }[part]()
    y, _ = transformer_block.forward(**given, params=params, heads=2)
    np.testing.assert_allclose(y, x + added, rtol=1e-12)


def test_a_context_that_may_not_be_seen_does_not_matter() -> None:
    check_hidden_from_block()
