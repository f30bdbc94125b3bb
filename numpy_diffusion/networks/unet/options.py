"""A U-Net's options as anyone gives them, checked: of which class of U-Net they are, and what there is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.networks.unet.config import Config, UNetConditionConfig, UNetConfig

_EITHER: Final[dict[str, tuple[Any, ...]]] = {
    "center_input_sample": (False,),
    "time_embedding_type": ("positional",),
    "freq_shift": (0, 1),
    "flip_sin_to_cos": (False, True),
    "mid_block_scale_factor": (1,),
    "downsample_padding": (0, 1),
    "act_fn": ("silu", "swish"),
    "resnet_time_scale_shift": ("default", "scale_shift"),
}
# Options with few values: what there is here.
SUPPORTED: Final[dict[type[Config], dict[str, tuple[Any, ...]]]] = {
    UNetConfig: _EITHER
    | {
        "mid_block_type": ("UNetMidBlock2D",),
        "downsample_type": ("conv",),
        "upsample_type": ("conv",),
        "attn_norm_num_groups": (None,),
        "add_attention": (False, True),
        "class_embed_type": (None,),
        "num_train_timesteps": (None,),
    },
    UNetConditionConfig: _EITHER
    | {
        "mid_block_type": ("UNetMidBlock2DCrossAttn", "UNetMidBlock2DSimpleCrossAttn"),
        "only_cross_attention": (False,),
        "reverse_transformer_layers_per_block": (None,),
        "encoder_hid_dim": (None,),
        "encoder_hid_dim_type": (None,),
        "num_attention_heads": (None,),
        "dual_cross_attention": (False,),
        "use_linear_projection": (False, True),
        "class_embed_type": (None, "identity", "projection"),
        "addition_embed_type": (None,),
        "addition_time_embed_dim": (None,),
        "upcast_attention": (False, True),  # all of it is float32
        "resnet_skip_time_act": (False,),
        "resnet_out_scale_factor": (1.0,),
        "time_embedding_act_fn": (None,),
        "timestep_post_act": (None,),
        "time_cond_proj_dim": (None,),
        "conv_in_kernel": (3,),
        "conv_out_kernel": (3,),
        "attention_type": ("default",),
        "class_embeddings_concat": (False,),
        "mid_block_only_cross_attention": (None, False),
        "cross_attention_norm": (None,),
        "addition_embed_type_num_heads": (64,),
    },
}
BLOCKS: Final[dict[type[Config], dict[str, tuple[str, ...]]]] = {
    UNetConfig: {
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"),
        "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"),
    },
    UNetConditionConfig: {
        "down_block_types": (
            "DownBlock2D",
            "CrossAttnDownBlock2D",
            "ResnetDownsampleBlock2D",
            "SimpleCrossAttnDownBlock2D",
        ),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"),
    },
}
INTEGERS: Final = ("in_channels", "out_channels", "layers_per_block", "norm_num_groups")
INTEGERS_OR_NONE: Final = ("time_embedding_dim", "num_class_embeds", "projection_class_embeddings_input_dim")


def checked(options: Mapping[str, Any]) -> Config:
    """The whole configuration of a U-Net, defaults filled in.

    Parameters
    ----------
    options : those of diffusers' `UNet2DModel`; or those of its `UNet2DConditionModel`, which is meant where
        `_class_name` says so, or an option or a block that the other does not have.  Other names with a leading
        underscore are left out

    Raises
    ------
    ValueError : an option that does not exist, or a value that is not supported here

    Examples
    --------
    >>> checked({"sample_size": 32, "block_out_channels": (32, 64, 64, 64)}).layers_per_block
    2
    >>> checked({"sample_size": 32, "cross_attention_dim": 64}).down_block_types[0]
    'CrossAttnDownBlock2D'
    >>> checked({"sample_size": 32, "time_embedding_type": "fourier"})
    Traceback (most recent call last):
    ValueError: time_embedding_type: expected 'positional', got 'fourier'
    """
    kind = _kind(options)
    full = filled_in(options, kind, SUPPORTED[kind], INTEGERS)
    for name in INTEGERS_OR_NONE:
        if name in full:
            full[name] = None if full[name] is None else _checks.integer(name, full[name], 1)
    full["norm_eps"] = _checks.real("norm_eps", full["norm_eps"], 0.0)
    full["dropout"] = _checks.real("dropout", full["dropout"], 0.0, 1.0)
    if full["dropout"] == 1.0:
        raise ValueError("dropout: expected a number below 1, got 1.0")
    if full["out_channels"] not in (full["in_channels"], 2 * full["in_channels"], full["in_channels"] / 2):
        raise ValueError(
            f"out_channels: expected in_channels, {full['in_channels']}, twice as many with a learned variance, or "
            f"half with an image to go by, got {full['out_channels']}"
        )
    full |= checked_blocks(full, BLOCKS[kind])
    full |= _checked_heads(full) if kind is UNetConfig else _checked_condition(full)
    return kind(**full | {"sample_size": checked_size(full)})


def filled_in(
    options: Mapping[str, Any], kind: type[Config], supported: Mapping[str, tuple[Any, ...]], integers: Sequence[str]
) -> dict[str, Any]:
    """Every option of a class: those given, but for names with a leading underscore, and its defaults.

    supported : options with few values
    integers : options that are integers of at least 1

    Raises
    ------
    ValueError : an option that does not exist, another value
    """
    given, defaults = {name: value for name, value in options.items() if not name.startswith("_")}, _defaults(kind)
    for name in given:
        if name not in defaults:
            raise ValueError(f"{name}: expected an option of {kind.KIND}, got one that it does not have")
    full = defaults | given
    for name, values in supported.items():
        if not (full[name] is None or isinstance(full[name], (str, int, float))) or full[name] not in values:
            expected = " or ".join(map(repr, values))
            raise ValueError(f"{name}: expected {expected}, got {full[name]!r}")
    return full | {name: _checks.size(name, full[name]) for name in integers}


def _defaults(kind: type[Config]) -> dict[str, Any]:
    """The options of a class, with their defaults."""
    return {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]  # both are dataclasses


def _kind(given: Mapping[str, Any]) -> type[Config]:
    """Which class the options are of."""
    if (name := given.get("_class_name")) is not None:
        return UNetConditionConfig if name == UNetConditionConfig.KIND else UNetConfig
    own = _defaults(UNetConditionConfig).keys() - _defaults(UNetConfig).keys()
    blocks = [given.get(way) for way in ("down_block_types", "mid_block_type", "up_block_types")]
    return UNetConditionConfig if own & given.keys() or "CrossAttn" in str(blocks) else UNetConfig


def checked_blocks(full: dict[str, Any], kinds: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The options with one entry a block: channels, which the groups divide, and of each of `kinds` one of the names.

    Raises
    ------
    ValueError : no list, another length, an unknown name, channels that do not fall into groups
    """
    channels = [_checks.integer("block_out_channels", n, 1) for n in _sequence(full, "block_out_channels")]
    types = {}
    for name, options in kinds.items():
        types[name] = tuple(_checks.choice(name, value, options) for value in _sequence(full, name))
        if len(types[name]) != len(channels):
            raise ValueError(f"{name}: expected one for each of {len(channels)} blocks, got {len(types[name])}")
    groups = full["norm_num_groups"]
    if any(n % groups for n in channels):
        raise ValueError(
            f"norm_num_groups: expected a divisor of each of block_out_channels {channels}, got {groups}"
        )
    return {"block_out_channels": tuple(channels), **types}


def _attended(full: dict[str, Any], middle: bool) -> list[int]:
    """The blocks on the way down that have attention, themselves, in their mirrors on the way up or behind them."""
    down, up = full["down_block_types"], full["up_block_types"][::-1]
    last = len(down) - 1
    return [k for k in range(last + 1) if "Attn" in down[k] or "Attn" in up[k] or (middle and k == last)]


def _checked_heads(full: dict[str, Any]) -> dict[str, Any]:
    """A head's channels, which divide those of every attention."""
    size = full["attention_head_dim"]
    if size is None:
        return {}
    size = _checks.integer("attention_head_dim", size, 1)
    attended = sorted({full["block_out_channels"][k] for k in _attended(full, full["add_attention"])})
    if any(n % size for n in attended):
        raise ValueError(
            f"attention_head_dim: expected a divisor of the channels with attention {attended}, got {size}"
        )
    return {"attention_head_dim": size}


def _checked_condition(full: dict[str, Any]) -> dict[str, Any]:
    """What a U-Net with a condition has besides: states, transformers with so many heads, an embedding."""
    blocks = len(full["block_out_channels"])
    found: dict[str, Any] = {
        "cross_attention_dim": _checks.integer("cross_attention_dim", full["cross_attention_dim"], 1)
    }
    for name in ("attention_head_dim", "transformer_layers_per_block"):
        value = full[name]
        if not isinstance(value, (list, tuple)):
            found[name] = _checks.size(name, value)
            continue
        found[name] = tuple(_checks.size(name, n) for n in value)
        if len(value) != blocks:
            raise ValueError(f"{name}: expected a number, or one for each of {blocks} blocks, got {len(value)}")
    heads, what = found["attention_head_dim"], "the number of heads"
    if "SimpleCrossAttn" in str([full[way] for way in ("down_block_types", "mid_block_type", "up_block_types")]):
        what = "a number of heads, or of a head's channels in blocks with SimpleCrossAttn"
        if not isinstance(heads, int):  # diffusers reads such a list in one order on both ways
            raise ValueError(f"attention_head_dim: expected one for all blocks with SimpleCrossAttn, got {heads}")
    for k in _attended(full, True):
        channels, here = full["block_out_channels"][k], heads if isinstance(heads, int) else heads[k]
        if channels % here:
            raise ValueError(
                f"attention_head_dim: expected {what}, a divisor of a block's {channels} channels, got {here}"
            )
    kind, size = full["class_embed_type"], full["projection_class_embeddings_input_dim"]
    if kind == "projection" and size is None:
        raise ValueError("projection_class_embeddings_input_dim: expected the length of what is projected, got None")
    if kind is not None and full["num_class_embeds"] is not None:
        raise ValueError(f"num_class_embeds: expected None beside class_embed_type {kind!r}, got some")
    return found


def _sequence(full: dict[str, Any], name: str) -> list[Any]:
    value = full[name]
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) == 0:
        raise ValueError(f"{name}: expected a list with one entry a block, got {value!r}")
    return list(value)


def checked_size(full: dict[str, Any]) -> int | tuple[int, int]:
    """Height and width, which each block but the last halves exactly, or a ValueError."""
    value, multiple = full["sample_size"], 2 ** (len(full["block_out_channels"]) - 1)
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    sizes = [_checks.integer("sample_size", n, 1) for n in (value if pair else [value])]
    if any(n % multiple for n in sizes):
        raise ValueError(f"sample_size: expected a multiple of {multiple} (halved in each block), got {value}")
    return (sizes[0], sizes[1]) if pair else sizes[0]
