"""The U-Net's options: diffusers' own are taken, and each that is not supported is refused by name."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from checks.unet_configs import CIFAR10, STABLE_DIFFUSION

from numpy_diffusion.networks.unet.config import UNetConditionConfig, UNetConfig
from numpy_diffusion.networks.unet.options import SUPPORTED, checked
from numpy_diffusion.networks.unet.program import program


def test_the_options_of_ddpm_cifar10_are_taken_and_defaults_filled_in() -> None:
    given = {name: value for name, value in CIFAR10.items() if not name.startswith("_")}
    config = checked(CIFAR10)
    assert config == UNetConfig(**{n: tuple(v) if isinstance(v, list) else v for n, v in given.items()})
    assert checked(vars(config)) == config


def test_the_options_of_stable_diffusion_are_taken() -> None:
    """2.1's, whose names are UNet2DConditionModel's; 1.4's lack some, and have one number of heads for all."""
    config = checked(STABLE_DIFFUSION)
    assert isinstance(config, UNetConditionConfig)
    assert config.attention_head_dim == (5, 10, 20, 20)
    assert (config.cross_attention_dim, config.use_linear_projection) == (1024, True)
    assert checked(vars(config)) == config
    older = {name: value for name, value in STABLE_DIFFUSION.items() if name not in ("use_linear_projection",)}
    assert checked(older | {"attention_head_dim": 8}).heads(2) == 8


def test_which_class_of_options_is_meant() -> None:
    """That which is named; else the one with an option or a block that the other does not have."""
    size = {"sample_size": 32}
    assert checked(size) == UNetConfig(**size)
    told = UNetConditionConfig(**size)
    assert checked(size | {"_class_name": "UNet2DConditionModel"}) == told
    for one in (
        "cross_attention_dim",
        "use_linear_projection",
        "down_block_types",
        "up_block_types",
        "mid_block_type",
    ):
        assert checked(size | {one: getattr(told, one)}) == told
    with pytest.raises(ValueError, match=r"^add_attention: expected an option of UNet2DConditionModel, got "):
        checked(size | {"add_attention": True, "cross_attention_dim": 8})
    with pytest.raises(ValueError, match=r"^cross_attention_dim: expected an option of UNet2DModel, got "):
        checked(size | {"_class_name": "UNet2DModel", "cross_attention_dim": 8})


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
    ("resnet_time_scale_shift", "ada_group"),
    ("add_attention", None),
    ("class_embed_type", "timestep"),
    ("num_train_timesteps", 1000),
    ("time_embedding_dim", 0),
    ("in_channels", 0),
    ("in_channels", 3.0),
    ("out_channels", 4),
    ("out_channels", 9),
    ("layers_per_block", 0),
    ("layers_per_block", 10**20),
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
    ("down_block_types", ["SimpleCrossAttnDownBlock2D"] * 4),
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
REFUSED_WITH_STATES = [
    ("cross_attention_dim", 0),
    ("cross_attention_dim", [64, 64, 64, 64]),
    ("cross_attention_dim", None),
    ("attention_head_dim", None),
    ("attention_head_dim", 7),
    ("attention_head_dim", [5, 10, 20]),
    ("attention_head_dim", [5, 10, 20, 21]),
    ("transformer_layers_per_block", 0),
    ("transformer_layers_per_block", 10**20),
    ("transformer_layers_per_block", [[1, 1]] * 4),
    ("reverse_transformer_layers_per_block", [1, 1, 1, 1]),
    ("only_cross_attention", True),
    ("encoder_hid_dim", 4),
    ("num_attention_heads", 4),
    ("dual_cross_attention", True),
    ("class_embed_type", "timestep"),
    ("class_embed_type", "projection"),
    ("addition_embed_type", "text"),
    ("mid_block_type", "UNetMidBlock2D"),
    ("mid_block_type", None),
    ("down_block_types", ["AttnDownBlock2D"] * 4),
    ("up_block_types", ["AttnUpBlock2D"] * 4),
    ("layers_per_block", [2, 2, 2, 2]),
    ("norm_num_groups", None),
    ("out_channels", 3),
    ("conv_in_kernel", 1),
    ("add_attention", True),
]
ALL_REFUSED = [(CIFAR10, *one) for one in REFUSED] + [(STABLE_DIFFUSION, *one) for one in REFUSED_WITH_STATES]


@pytest.mark.parametrize(("options", "name", "value"), ALL_REFUSED, ids=lambda value: str(value)[:24])
def test_an_unsupported_option_is_refused_in_a_sentence_that_names_it(
    options: dict[str, Any], name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=rf"^({name}|projection_class_.*): expected .*, got ") as caught:
        checked(options | {name: value})
    assert "\n" not in str(caught.value)


def test_classes_and_an_embedding_exclude_each_other() -> None:
    with pytest.raises(ValueError, match=r"^num_class_embeds: expected None beside class_embed_type 'identity'"):
        checked(STABLE_DIFFUSION | {"class_embed_type": "identity", "num_class_embeds": 3})


def test_the_refusal_of_a_choice_says_what_there_is() -> None:
    more = {"projection_class_embeddings_input_dim": 3, "attention_head_dim": 5}
    for options, kind in ((CIFAR10, UNetConfig), (STABLE_DIFFUSION | more, UNetConditionConfig)):
        for name, values in SUPPORTED[kind].items():
            with pytest.raises(ValueError, match="got 'other'") as caught:
                checked(options | {name: "other"})
            assert all(repr(value) in str(caught.value) for value in values)
            for value in values:
                assert getattr(checked(options | {name: value}), name) == value


def test_added_attention_has_heads_of_so_many_channels() -> None:
    """Of one size for all blocks, as diffusers reads a list in one order on both ways."""
    simple = {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn", "attention_head_dim": 64}
    config = checked(STABLE_DIFFUSION | simple)
    assert [op.heads for op in program(config) if op.kind == "added_attention"] == [1280 // 64]
    assert {op.heads for op in program(config) if op.kind == "transformer"} == {64}
    with pytest.raises(ValueError, match=r"^attention_head_dim: expected one for all .*, got \(5, 10, 20, 20\)$"):
        checked(STABLE_DIFFUSION | simple | {"attention_head_dim": [5, 10, 20, 20]})
    with pytest.raises(ValueError, match=r"^attention_head_dim: .* or of a head's channels .*, got 48$"):
        checked(STABLE_DIFFUSION | simple | {"attention_head_dim": 48})


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
