"""A plan in bfloat16: what is rounded, what stays, and that each image of words is made once."""

from __future__ import annotations

import numpy as np
import pytest
from checks.unet_kernel import small, told, wide

from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.kernels.vector.registers import WIDEST_VECTOR
from numpy_diffusion.networks.unet import compiled, compiled_bfloat16
from numpy_diffusion.networks.unet.unet import UNet

MODELS = {"images": wide, "states": lambda: UNet(**told().options | {"block_out_channels": [32, 64]})}


@pytest.mark.parametrize("name", MODELS)
def test_all_but_the_ends_and_the_embedding_is_rounded(name: str) -> None:
    config = MODELS[name]().config
    exact, rounded = compiled.planned(config)[0], compiled_bfloat16.planned(config)[0]
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
    found = compiled_bfloat16.planned(wide().config)[0]
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
    _, _, rounding = compiled_bfloat16.planned(wide().config)
    starts = rounding.table[:, 1].tolist()
    assert len(set(starts)) == len(starts)
    assert starts == sorted(starts)
    assert rounding.size > starts[-1]


def test_heads_of_few_channels_attend_in_float32() -> None:
    config = UNet(**wide().options | {"attention_head_dim": 4}).config
    kinds = compiled_bfloat16.planned(config)[0].calls["kind"].tolist()
    assert CallKind.ATTENTION in kinds
    assert CallKind.ROUNDED_ATTENTION not in kinds


def test_where_no_channels_are_filled_nothing_is_rounded() -> None:
    config = UNet(**small().options | {"block_out_channels": [8, 8]}).config
    found, _, rounding = compiled_bfloat16.planned(config)
    assert (rounding.size, len(rounding.table)) == (0, 0)
    assert found.calls["kind"].tolist() == compiled.planned(config)[0].calls["kind"].tolist()
