"""The records of a U-Net's options: what both say alike, each in its own words."""

from __future__ import annotations

import pytest

from numpy_diffusion.networks.unet.config import UNetConditionConfig, UNetConfig


def test_an_image_is_square_or_not() -> None:
    assert UNetConfig(sample_size=8).image_size == (8, 8)
    assert UNetConditionConfig(sample_size=(6, 10)).image_size == (6, 10)


def test_heads_by_their_channels_or_by_their_number() -> None:
    """attention_head_dim is a head's channels in one class, and in the other the number of heads."""
    channels = (32, 64)
    config = UNetConfig(block_out_channels=channels, attention_head_dim=8)
    assert [config.heads(block) for block in (0, 1)] == [4, 8]
    assert UNetConfig(block_out_channels=channels, attention_head_dim=None).heads(1) == 1
    told = UNetConditionConfig(block_out_channels=channels, attention_head_dim=8)
    assert [told.heads(block) for block in (0, 1)] == [8, 8]
    told = UNetConditionConfig(block_out_channels=channels, attention_head_dim=(2, 4))
    assert [told.heads(block) for block in (0, 1)] == [2, 4]


def test_how_many_blocks_a_transformer_has() -> None:
    assert UNetConfig().depth(0) == 0
    assert UNetConditionConfig(transformer_layers_per_block=2).depth(1) == 2
    assert UNetConditionConfig(transformer_layers_per_block=(1, 3)).depth(1) == 3


@pytest.mark.parametrize("add", [False, True])
def test_attention_in_the_middle(add: bool) -> None:
    assert UNetConfig(add_attention=add).mid_attention is add
    assert UNetConditionConfig().mid_attention


def test_only_one_class_attends_to_states() -> None:
    assert UNetConfig().cross_attention_dim is None
    assert UNetConditionConfig().cross_attention_dim == 1280
