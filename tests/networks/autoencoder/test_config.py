"""The autoencoder's options: defaults, what they make known, and what is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.autoencoders import options

from numpy_diffusion.networks.autoencoder.config import AutoencoderConfig, checked


def test_defaults_are_filled_in_and_private_names_left_out() -> None:
    assert checked({"_class_name": "AutoencoderKL", "_diffusers_version": "0.3"}) == AutoencoderConfig()
    found = checked(options(3, sample_size=[8, 12], block_out_channels=np.array([4, 8, 8])))
    assert (found.image_size, found.shrinkage, found.block_out_channels) == ((8, 12), 4, (4, 8, 8))
    assert hash(found) == hash(checked(options(3, sample_size=(8, 12))))
    assert (found.heads(2), found.depth(0), found.mid_attention) == (1, 0, True)
    assert not checked({"mid_block_add_attention": False}).mid_attention


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("act_fn", "gelu"),
        ("act_fn", ["silu"]),
        ("latents_mean", [0.0]),
        ("shift_factor", 0.5),
        ("use_quant_conv", None),
        ("in_channels", 0),
        ("out_channels", 4),
        ("latent_channels", 1.5),
        ("layers_per_block", True),
        ("layers_per_block", 10**20),
        ("scaling_factor", 0.0),
        ("scaling_factor", float("nan")),
        ("norm_num_groups", 3),
        ("block_out_channels", []),
        ("block_out_channels", 8),
        ("down_block_types", ["DownEncoderBlock2D"]),
        ("up_block_types", ["UpBlock2D"] * 2),
        ("sample_size", 7),
        ("sample_size", (8, 8, 8)),
        ("groups", 2),
    ],
)
def test_what_is_not_supported_is_one_sentence(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{option}: expected .*, got ") as caught:
        checked(options() | {option: value})
    assert "\n" not in str(caught.value)
