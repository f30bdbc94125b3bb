"""The layer of CLIP's encoders: its gradients, and which place sees which."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from checks.encoder_layer import EPS, check_activations_differ, check_encoder_layer, layer_params
from checks.layer_gradients import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import attention, encoder_layer, multi_head
from numpy_diffusion.layers.encoder_layer import Activation

SMALL = st.integers(1, 2)


@settings(deadline=None, max_examples=12)
@given(
    N=SMALL,
    L=st.integers(1, 3),
    heads=SMALL,
    d=st.integers(2, 3),
    act=st.sampled_from(get_args(Activation)),
    causal=st.booleans(),
)
def test_the_gradients(N: int, L: int, heads: int, d: int, act: Activation, causal: bool) -> None:
    check_encoder_layer(N, L, heads, d, act, causal)


@pytest.mark.parametrize("causal", [False, True])
def test_a_place_sees_those_before_it_or_all(causal: bool) -> None:
    x, params = drawn(0, x=(1, 4, 4))["x"], layer_params(4, 6)
    other = x.copy()
    other[:, 2, 0] += 1.0
    mask = attention.causal(4) if causal else None
    y, z = (encoder_layer.forward(each, params, 2, "quick_gelu", EPS, mask)[0] for each in (x, other))
    assert (y != z).any(axis=2).tolist() == [[not causal, not causal, True, True]]


def test_its_parts_may_have_other_names() -> None:
    x, params = drawn(0, x=(2, 3, 4))["x"], layer_params(4, 6)
    names = encoder_layer.Names("a", "b", multi_head.Names(), "c", "d", "e")
    own = {"layer_norm1": "a", "self_attn.out_proj": "b.to_out.0", "layer_norm2": "c", "mlp.fc1": "d", "mlp.fc2": "e"}
    own |= {f"self_attn.{part}_proj": f"b.to_{part}" for part in "qkv"}
    called = {name: f"{own[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}" for name in params}
    y, caches = encoder_layer.forward(x, params, 2, "gelu", EPS)
    z, others = encoder_layer.forward(
        x, {called[name]: values for name, values in params.items()}, 2, "gelu", EPS, names=names
    )
    np.testing.assert_array_equal(y, z)
    (dx, grads), (dz, found) = (encoder_layer.backward(x, each, "gelu") for each in (caches, others))
    np.testing.assert_array_equal(dx, dz)
    assert set(found) == set(called.values())
    for name, values in grads.items():
        np.testing.assert_array_equal(found[called[name]], values)


def test_the_activations_differ() -> None:
    check_activations_differ()
