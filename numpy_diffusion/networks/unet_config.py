"""The U-Net's options: the names and defaults of diffusers' `UNet2DModel`, and which values there are here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_diffusion import _checks

Config = dict[str, Any]

DEFAULTS: Config = {
    "sample_size": None,
    "in_channels": 3,
    "out_channels": 3,
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896],
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "dropout": 0.0,
    "act_fn": "silu",
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "attn_norm_num_groups": None,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
    "class_embed_type": None,
    "num_class_embeds": None,
    "num_train_timesteps": None,
}
SUPPORTED: dict[str, tuple[Any, ...]] = {  # options with few values: what there is here
    "center_input_sample": (False,),
    "time_embedding_type": ("positional",),
    "freq_shift": (0, 1),
    "flip_sin_to_cos": (False, True),
    "mid_block_type": ("UNetMidBlock2D",),
    "mid_block_scale_factor": (1,),
    "downsample_padding": (0, 1),
    "downsample_type": ("conv",),
    "upsample_type": ("conv",),
    "act_fn": ("silu", "swish"),
    "attn_norm_num_groups": (None,),
    "resnet_time_scale_shift": ("default",),
    "add_attention": (False, True),
    "class_embed_type": (None,),
    "num_train_timesteps": (None,),
}
DOWN_BLOCKS, UP_BLOCKS = ("DownBlock2D", "AttnDownBlock2D"), ("UpBlock2D", "AttnUpBlock2D")


def checked(config: Mapping[str, Any]) -> Config:
    """The whole configuration of the U-Net, defaults filled in, as JSON has it (lists, no tuples).

    Parameters
    ----------
    config : options of diffusers' `UNet2DModel`; names with a leading underscore are left out

    Raises
    ------
    ValueError : an option that does not exist, or a value that is not supported here

    Examples
    --------
    >>> checked({"sample_size": 32, "block_out_channels": (32, 64, 64, 64)})["layers_per_block"]
    2
    >>> checked({"sample_size": 32, "time_embedding_type": "fourier"})
    Traceback (most recent call last):
    ValueError: time_embedding_type: expected 'positional', got 'fourier'
    """
    given = {name: value for name, value in config.items() if not name.startswith("_")}
    for name in given:
        if name not in DEFAULTS:
            raise ValueError(f"{name}: expected an option of UNet2DModel, got one that it does not have")
    full = DEFAULTS | given
    for name, values in SUPPORTED.items():
        if not (full[name] is None or isinstance(full[name], (str, int, float))) or full[name] not in values:
            expected = " or ".join(map(repr, values))
            raise ValueError(f"{name}: expected {expected}, got {full[name]!r}")
    for name in ("in_channels", "out_channels", "layers_per_block", "norm_num_groups"):
        full[name] = _checks.integer(name, full[name], 1)
    for name in ("time_embedding_dim", "attention_head_dim", "num_class_embeds"):
        full[name] = None if full[name] is None else _checks.integer(name, full[name], 1)
    full["norm_eps"] = _checks.real("norm_eps", full["norm_eps"], 0.0)
    full["dropout"] = _checks.real("dropout", full["dropout"], 0.0, 1.0)
    if full["dropout"] == 1.0:
        raise ValueError("dropout: expected a number below 1, got 1.0")
    if full["out_channels"] not in (full["in_channels"], 2 * full["in_channels"]):
        raise ValueError(
            f"out_channels: expected in_channels, {full['in_channels']}, or twice as many with a learned variance, "
            f"got {full['out_channels']}"
        )
    return full | _checked_blocks(full) | {"sample_size": _checked_size(full)}


def _checked_blocks(full: Config) -> Config:
    """The options with one entry a block, and what must divide what."""
    channels = [_checks.integer("block_out_channels", n, 1) for n in _sequence(full, "block_out_channels")]
    types = {}
    for name, options in (("down_block_types", DOWN_BLOCKS), ("up_block_types", UP_BLOCKS)):
        types[name] = [_checks.choice(name, value, options) for value in _sequence(full, name)]
        if len(types[name]) != len(channels):
            raise ValueError(f"{name}: expected one for each of {len(channels)} blocks, got {len(types[name])}")
    groups, size = full["norm_num_groups"], full["attention_head_dim"]
    if any(n % groups for n in channels):
        raise ValueError(
            f"norm_num_groups: expected a divisor of each of block_out_channels {channels}, got {groups}"
        )
    down = zip(types["down_block_types"], channels, strict=True)
    up = zip(types["up_block_types"], reversed(channels), strict=True)
    attended = [n for kind, n in itertools.chain(down, up) if kind.startswith("Attn")]
    attended += channels[-1:] if full["add_attention"] else []
    if size is not None and any(n % size for n in attended):
        some = sorted(set(attended))
        raise ValueError(f"attention_head_dim: expected a divisor of the channels with attention {some}, got {size}")
    return {"block_out_channels": channels, **types}


def _sequence(full: Config, name: str) -> list[Any]:
    value = full[name]
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) == 0:
        raise ValueError(f"{name}: expected a list with one entry a block, got {value!r}")
    return list(value)


def _checked_size(full: Config) -> int | list[int]:
    """Height and width, which each block but the last halves exactly, so that the skips fit."""
    value, multiple = full["sample_size"], 2 ** (len(full["block_out_channels"]) - 1)
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    sizes = [_checks.integer("sample_size", n, 1) for n in (value if pair else [value])]
    if any(n % multiple for n in sizes):
        raise ValueError(f"sample_size: expected a multiple of {multiple} (halved in each block), got {value}")
    return sizes if pair else sizes[0]
