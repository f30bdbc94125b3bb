"""The U-Net's options: the names and defaults of diffusers' `UNet2DModel`, and which values there are here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from numpy_diffusion import _checks


@dataclass(frozen=True)
class UNetConfig:
    """Every option of diffusers' `UNet2DModel`, with its default there; `checked` makes one that holds."""

    sample_size: int | tuple[int, int] | None = None
    in_channels: int = 3
    out_channels: int = 3
    center_input_sample: bool = False
    time_embedding_type: str = "positional"
    time_embedding_dim: int | None = None
    freq_shift: int = 0
    flip_sin_to_cos: bool = True
    down_block_types: tuple[str, ...] = ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D")
    mid_block_type: str = "UNetMidBlock2D"
    up_block_types: tuple[str, ...] = ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    block_out_channels: tuple[int, ...] = (224, 448, 672, 896)
    layers_per_block: int = 2
    mid_block_scale_factor: int = 1
    downsample_padding: int = 1
    downsample_type: str = "conv"
    upsample_type: str = "conv"
    dropout: float = 0.0
    act_fn: str = "silu"
    attention_head_dim: int | None = 8
    norm_num_groups: int = 32
    attn_norm_num_groups: int | None = None
    norm_eps: float = 1e-5
    resnet_time_scale_shift: str = "default"
    add_attention: bool = True
    class_embed_type: str | None = None
    num_class_embeds: int | None = None
    num_train_timesteps: int | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        assert self.sample_size is not None
        return self.sample_size if isinstance(self.sample_size, tuple) else (self.sample_size, self.sample_size)


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


def checked(options: Mapping[str, Any]) -> UNetConfig:
    """The whole configuration of a U-Net, defaults filled in.

    Parameters
    ----------
    options : those of diffusers' `UNet2DModel`; names with a leading underscore are left out

    Raises
    ------
    ValueError : an option that does not exist, or a value that is not supported here

    Examples
    --------
    >>> checked({"sample_size": 32, "block_out_channels": (32, 64, 64, 64)}).layers_per_block
    2
    >>> checked({"sample_size": 32, "time_embedding_type": "fourier"})
    Traceback (most recent call last):
    ValueError: time_embedding_type: expected 'positional', got 'fourier'
    """
    given = {name: value for name, value in options.items() if not name.startswith("_")}
    defaults: dict[str, Any] = {field.name: field.default for field in fields(UNetConfig)}
    for name in given:
        if name not in defaults:
            raise ValueError(f"{name}: expected an option of UNet2DModel, got one that it does not have")
    full = defaults | given
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
    return UNetConfig(**full | _checked_blocks(full) | {"sample_size": _checked_size(full)})


def _checked_blocks(full: dict[str, Any]) -> dict[str, Any]:
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
    return {"block_out_channels": tuple(channels), **{name: tuple(kinds) for name, kinds in types.items()}}


def _sequence(full: dict[str, Any], name: str) -> list[Any]:
    value = full[name]
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) == 0:
        raise ValueError(f"{name}: expected a list with one entry a block, got {value!r}")
    return list(value)


def _checked_size(full: dict[str, Any]) -> int | tuple[int, int]:
    """Height and width, which each block but the last halves exactly, so that the skips fit."""
    value, multiple = full["sample_size"], 2 ** (len(full["block_out_channels"]) - 1)
    pair = isinstance(value, (list, tuple)) and len(value) == 2
    sizes = [_checks.integer("sample_size", n, 1) for n in (value if pair else [value])]
    if any(n % multiple for n in sizes):
        raise ValueError(f"sample_size: expected a multiple of {multiple} (halved in each block), got {value}")
    return (sizes[0], sizes[1]) if pair else sizes[0]
