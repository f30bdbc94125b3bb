"""The transformer block: gradients of every array, and what a state that is not there may do."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn
from checks.transformer import block_params, check_block, mask_of
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import transformer_block

SMALL = st.integers(1, 2)


@settings(deadline=None, max_examples=4)
@given(N=SMALL, L=SMALL, K=st.integers(1, 3), heads=SMALL, D=SMALL)
def test_gradients(N: int, L: int, K: int, heads: int, D: int) -> None:
    check_block(N, L, K, heads, d=2, D=D)


def test_states_that_are_not_there_are_as_if_there_were_none() -> None:
    given, params, mask = drawn(0, x=(1, 3, 4), states=(1, 5, 3)), block_params(4, 3), mask_of(1, 5)
    y, cache = transformer_block.forward(**given, mask=mask, params=params, heads=2)
    fewer, _ = transformer_block.forward(given["x"], given["states"][:, mask[0]], None, params, 2)
    np.testing.assert_allclose(y, fewer, rtol=0, atol=1e-13)
    dstates = transformer_block.backward(y, cache)[1]
    assert (np.abs(dstates).sum(axis=2) > 0).tolist() == mask.tolist()


def test_with_no_output_of_its_parts_it_is_its_skips() -> None:
    given, params = drawn(0, x=(2, 3, 4), states=(2, 2, 3)), block_params(4, 3)
    for name in ("attn1.to_out.0", "attn2.to_out.0", "ff.net.2"):
        params[f"{name}.weight"][:] = params[f"{name}.bias"][:] = 0.0
    y, _ = transformer_block.forward(**given, mask=None, params=params, heads=2)
    np.testing.assert_array_equal(y, given["x"])
