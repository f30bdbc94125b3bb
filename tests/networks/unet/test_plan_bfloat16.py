"""A plan in bfloat16: what is rounded, what stays, and that each image of words is made once."""

from __future__ import annotations

import numpy as np
import pytest
from checks.unet_kernel import small, wide, wide_told

from numpy_diffusion.kernels.unet.calls import CallKind, Plan
from numpy_diffusion.kernels.vector.registers import WIDEST_VECTOR
from numpy_diffusion.networks.unet import compiled
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.unet import UNet

MODELS = {"images": wide, "states": wide_told}


def planned(config: Config, training: bool = False) -> Plan:
    return compiled.planned(config, training, precision="bfloat16")[0]


@pytest.mark.parametrize("name", MODELS)
def test_all_but_the_ends_and_the_embedding_is_rounded(name: str) -> None:
    config = MODELS[name]().config
    exact, rounded = compiled.planned(config)[0], planned(config)
    kinds = rounded.calls["kind"]
    left = rounded.calls[kinds == CallKind.CONV]
    src, dst = (rounded.images[left[name]] for name in ("src", "dst"))
    vectors = dst["height"] * dst["width"] == 1
    few = np.minimum(src["channels"], dst["channels"]) < WIDEST_VECTOR  # those of the ends, and of states
    assert (vectors | few).all()
    convolutions = exact.calls["kind"] == CallKind.CONV
    assert (kinds == CallKind.ROUNDED_CONV).sum() + len(left) == convolutions.sum()
    assert (kinds == CallKind.ROUNDED_CONV).sum() > len(left) / 2
    others = exact.calls["kind"][~convolutions]
    others = np.where(others == CallKind.ATTENTION, CallKind.ROUNDED_ATTENTION, others).tolist()
    assert kinds[~np.isin(kinds, [CallKind.ROUND, CallKind.CONV, CallKind.ROUNDED_CONV])].tolist() == others


def test_each_image_of_words_is_made_once_and_before_it_is_read() -> None:
    found = planned(wide().config)
    made: set[int] = set()
    for call in found.calls:
        if call["kind"] == CallKind.ROUND:
            assert call["dst"] not in made
            made.add(int(call["dst"]))
            src, dst = found.images[call["src"]], found.images[call["dst"]]
            assert dst["channels"] * 2 == src["channels"]
        elif call["kind"] == CallKind.ROUNDED_CONV:
            assert (call["src"] in made) != call["squares"]
    assert made


def test_the_words_of_no_two_convolutions_overlap() -> None:
    for training in (False, True):
        found = planned(wide().config, training)
        starts = found.rounding[:, 1].tolist()
        assert len(set(starts)) == len(starts)
        assert starts == sorted(starts)
        assert found.words > starts[-1]


def test_heads_of_few_channels_attend_in_float32() -> None:
    config = UNet(**wide().options | {"attention_head_dim": 4}).config
    kinds = planned(config).calls["kind"].tolist()
    assert CallKind.ATTENTION in kinds
    assert CallKind.ROUNDED_ATTENTION not in kinds


def test_where_no_channels_are_filled_nothing_is_rounded() -> None:
    config = UNet(**small().options | {"block_out_channels": [8, 8]}).config
    found = planned(config)
    assert (found.words, len(found.rounding)) == (0, 0)
    assert found.calls["kind"].tolist() == compiled.planned(config)[0].calls["kind"].tolist()


@pytest.mark.parametrize("name", MODELS)
def test_the_way_back_rounds_what_the_way_there_does(name: str) -> None:
    """Each convolution's gradient by weights with it; an attention's stays."""
    config = MODELS[name]().config
    exact, found = compiled.planned(config, True)[0], planned(config, True)
    there, back = (found.calls[: found.backward], found.calls[found.backward :])
    rounded = (there["kind"] == CallKind.ROUNDED_CONV).sum()
    assert (back["kind"] == CallKind.ROUNDED_CONV_WEIGHTS).sum() == rounded
    assert ((back["kind"] == CallKind.ROUNDED_CONV) & (back["turned"] == 1)).sum() >= 0.8 * rounded
    kinds = exact.calls["kind"][exact.backward :]
    for one, other in (
        (CallKind.CONV, CallKind.ROUNDED_CONV),
        (CallKind.CONV_WEIGHTS, CallKind.ROUNDED_CONV_WEIGHTS),
    ):
        assert np.isin(back["kind"], (one, other)).sum() == (kinds == one).sum()
    assert (back["kind"] == CallKind.ATTENTION_BACK).sum() == (kinds == CallKind.ATTENTION_BACK).sum()


def test_words_are_of_what_an_image_holds_when_they_are_read() -> None:
    """Gradients are added to images that were rounded before."""
    found = planned(wide().config, True)
    of, stale = dict[int, int](), set[int]()
    for call in found.calls:
        if call["kind"] == CallKind.ROUND:
            of[int(call["dst"])] = int(call["src"])
            stale.discard(int(call["dst"]))
        elif call["kind"] == CallKind.ROUNDED_CONV and not call["squares"]:
            assert int(call["src"]) in of
            assert int(call["src"]) not in stale
        for name in ("dst", "dx", "dq", "dk", "dv", "vector"):
            stale |= {words for words, image in of.items() if image == call[name] and call["kind"] != CallKind.ROUND}
