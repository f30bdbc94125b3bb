"""The attention block: gradients of every array, and that it knows nothing of places."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.blocks import EPS, attention_params, check_attention
from checks.layer_gradients import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import attention_block

FLAT = settings(deadline=None, max_examples=10)


SMALL, SIDE = st.integers(1, 2), st.integers(1, 3)


@FLAT
@given(N=SMALL, heads=SMALL, d=SMALL, H=SIDE, W=SIDE, normed=st.booleans())
def test_gradients_of_the_attention_block(**sizes: Any) -> None:
    check_attention(**sizes)


def test_attention_does_not_mind_the_order_of_pixels() -> None:
    x, params = drawn(0, x=(1, 4, 2, 3))["x"], attention_params(4)
    y, _ = attention_block.forward(x, params, 2, EPS, 2)
    turned, _ = attention_block.forward(x[:, :, ::-1, ::-1], params, 2, EPS, 2)
    np.testing.assert_allclose(turned[:, :, ::-1, ::-1], y, atol=1e-12)
