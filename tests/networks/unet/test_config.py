"""The U-Net's options: diffusers' own are taken, and each that is not supported is refused by name."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from checks.unet_configs import CIFAR10

from numpy_diffusion.networks.unet.config import SUPPORTED, UNetConfig, checked


def test_the_options_of_ddpm_cifar10_are_taken_and_defaults_filled_in() -> None:
    given = {name: value for name, value in CIFAR10.items() if not name.startswith("_")}
    config = checked(CIFAR10)
    assert config == UNetConfig(**{n: tuple(v) if isinstance(v, list) else v for n, v in given.items()})
    assert checked(vars(config)) == config


def test_what_json_gives_back_makes_the_same_which_a_cache_can_hold() -> None:
    options = {
        "sample_size": (16, 24),
        "block_out_channels": (32, 64, 64, 64),
        "down_block_types": ("DownBlock2D",) * 4,
    }
    config = checked(options)
    again = checked(json.loads(json.dumps(vars(config))))
    assert (again, hash(again)) == (config, hash(config))
    assert config.sample_size == config.image_size == (16, 24)
    assert config.block_out_channels == (32, 64, 64, 64)
    with pytest.raises(FrozenInstanceError):
        config.dropout = 0.5  # type: ignore[misc]


REFUSED = [
    ("center_input_sample", True),
    ("time_embedding_type", "fourier"),
    ("time_embedding_type", ["positional"]),
    ("freq_shift", 2),
    ("flip_sin_to_cos", "yes"),
    ("mid_block_type", None),
    ("mid_block_scale_factor", 2.0),
    ("downsample_padding", 2),
    ("downsample_type", "resnet"),
    ("upsample_type", "resnet"),
    ("act_fn", "gelu"),
    ("attn_norm_num_groups", 4),
    ("resnet_time_scale_shift", "scale_shift"),
    ("add_attention", None),
    ("class_embed_type", "timestep"),
    ("num_train_timesteps", 1000),
    ("time_embedding_dim", 0),
    ("in_channels", 0),
    ("in_channels", 3.0),
    ("out_channels", 4),
    ("out_channels", 9),
    ("layers_per_block", 0),
    ("norm_num_groups", 0),
    ("norm_num_groups", None),
    ("norm_num_groups", 48),
    ("norm_eps", -1e-5),
    ("norm_eps", "small"),
    ("attention_head_dim", 0),
    ("attention_head_dim", 48),
    ("num_class_embeds", 0),
    ("num_class_embeds", "ten"),
    ("dropout", -0.1),
    ("dropout", 1.0),
    ("dropout", None),
    ("down_block_types", ["DownBlock2D"] * 3),
    ("down_block_types", ["ResnetDownsampleBlock2D"] * 4),
    ("down_block_types", "DownBlock2D"),
    ("up_block_types", ["UpBlock2D"] * 5),
    ("up_block_types", ["DownBlock2D"] * 4),
    ("up_block_types", [None] * 4),
    ("block_out_channels", []),
    ("block_out_channels", 32),
    ("block_out_channels", [32, 64, 64, -64]),
    ("sample_size", None),
    ("sample_size", 0),
    ("sample_size", 28),
    ("sample_size", (32, 30)),
    ("sample_size", (32, 32, 32)),
    ("sample_size", "32"),
    ("encoder_hid_dim", 4),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda value: str(value)[:24])
def test_an_unsupported_option_is_refused_in_a_sentence_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got ") as caught:
        checked(CIFAR10 | {name: value})
    assert "\n" not in str(caught.value)


def test_the_refusal_of_a_choice_says_what_there_is() -> None:
    for name, values in SUPPORTED.items():
        with pytest.raises(ValueError, match="got 'other'") as caught:
            checked(CIFAR10 | {name: "other"})
        assert all(repr(value) in str(caught.value) for value in values)
        for value in values:
            assert getattr(checked(CIFAR10 | {name: value}), name) == value


def test_a_head_size_concerns_the_blocks_with_attention_alone() -> None:
    options = {
        "sample_size": 8,
        "block_out_channels": [8, 12],
        "norm_num_groups": 4,
        "attention_head_dim": 8,
        "down_block_types": ["AttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "AttnUpBlock2D"],
    }
    assert checked(options | {"add_attention": False}).attention_head_dim == 8
    for change in (
        {"add_attention": True},
        {"add_attention": False, "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]},
    ):
        with pytest.raises(ValueError, match=r"^attention_head_dim: .*\[8, 12\], got 8$"):
            checked(options | change)


def test_one_block_takes_any_size() -> None:
    options = {"block_out_channels": [32], "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]}
    assert checked(options | {"sample_size": (7, 13)}).sample_size == (7, 13)
