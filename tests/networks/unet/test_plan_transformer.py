"""The calls of transformers and of attention, to states or not, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from checks.unet_kernel import TOKENS, decoder, resampling, small, told

from numpy_diffusion.kernels.unet.calls import IMAGES, NONE, CallKind
from numpy_diffusion.networks.unet import compiled

BLOCKS = 4  # down, in the middle, and twice up


def test_a_transformer_block_has_three_norms_two_attentions_and_a_geglu_there_and_back() -> None:
    plan = compiled.planned(told().config, True, TOKENS)[0]
    there, back = plan.calls["kind"][: plan.backward].tolist(), plan.calls["kind"][plan.backward :].tolist()
    for kind, other, each in (
        (CallKind.LAYER_NORM, CallKind.LAYER_NORM_BACK, 3),
        (CallKind.ATTENTION, CallKind.ATTENTION_BACK, 2),
        (CallKind.GEGLU, CallKind.GEGLU_BACK, 1),
    ):
        assert there.count(kind) == back.count(other) == each * BLOCKS


def test_a_network_without_transformers_has_no_call_of_theirs() -> None:
    plan = compiled.planned(small().config, training=True)[0]
    assert plan.calls["kind"].max() < CallKind.LAYER_NORM
    assert len(plan.tokens) == 0


@pytest.mark.parametrize("of_told", [False, True])
def test_keys_and_values_of_states_are_as_wide_as_these_are_many(of_told: bool) -> None:
    """And so is every gradient by them; what is computed from them by a convolution, and nothing else."""
    plan = compiled.planned(told().config, True, TOKENS, of_told)[0]
    rows, others = plan.tokens.T
    sizes = plan.images[rows]
    assert not others.any()
    assert set(sizes["height"]) == {1}
    assert set(sizes["width"]) == {TOKENS}
    keys = {int(call[name]) for call in plan.calls for name in ("k", "v", "dk", "dv")}
    of_tokens = set(rows.tolist())
    assert len(of_tokens & keys) == 4 * BLOCKS
    assert plan.states in of_tokens
    assert (plan.dstates in of_tokens) == of_told
    for call in plan.calls[plan.calls["kind"] == CallKind.CONV]:
        assert (call["src"] in of_tokens) == (call["dst"] in of_tokens)
    assert len(of_tokens) == len(plan.tokens)


def test_the_gradient_by_states_is_asked_for_or_not_computed() -> None:
    without, asked = (compiled.planned(told().config, True, TOKENS, wanted)[0] for wanted in (False, True))
    assert (without.dstates, asked.dstates != NONE) == (NONE, True)
    more = np.bincount(asked.calls["kind"]) - np.bincount(without.calls["kind"])
    assert {CallKind(kind) for kind in np.flatnonzero(more)} == {CallKind.CONV, CallKind.SLICE}
    assert more[CallKind.CONV] == 2 * BLOCKS + 1  # and that by the embedding, before its first layer
    names = [int(call[name]) for call in asked.calls for name in IMAGES]
    assert names.count(asked.dstates) == 2 * BLOCKS


@pytest.mark.parametrize("of_told", [False, True])
def test_added_states_stand_behind_the_pixels(of_told: bool) -> None:
    """So many places more than pixels in keys, in values, and in the gradients by both."""
    config = decoder().config
    plan = compiled.planned(config, True, TOKENS, of_told)[0]
    attentions = plan.calls[plan.calls["kind"] == CallKind.ATTENTION_BACK]
    assert len(attentions) == 4  # down, in the middle, and twice up
    others = dict(plan.tokens.tolist())
    for call in attentions:
        pixels = int(plan.images[call["q"]]["height"] * plan.images[call["q"]]["width"])
        for name in ("k", "v", "dk", "dv"):
            assert others[int(call[name])] == pixels
            assert plan.images[call[name]].tolist()[1:] == (1, pixels + TOKENS, 40, 0)
    kinds = plan.calls["kind"].tolist()
    assert kinds.count(CallKind.PIXELS) == 4 * len(attentions)
    assert kinds.count(CallKind.PIXELS_BACK) == 4 * len(attentions)
    assert (plan.dstates in others) == of_told


def test_an_attention_without_a_norm_asks_the_image_itself() -> None:
    config = resampling().config
    plan = compiled.planned(config, True)[0]
    (call,) = plan.calls[plan.calls["kind"] == CallKind.ATTENTION]
    sources = [one["src"] for one in plan.calls[: plan.backward] if one["dst"] in (call["q"], call["k"], call["v"])]
    assert len(set(sources)) == 1
    made = [one["kind"] for one in plan.calls[: plan.backward] if one["dst"] == sources[0]]
    assert made == [CallKind.CONV]
