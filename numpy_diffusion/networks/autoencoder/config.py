"""The autoencoder's options: the names and defaults of diffusers' `AutoencoderKL`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numpy_diffusion import _checks
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.options import checked_blocks, checked_size, filled_in


@dataclass(frozen=True)
class AutoencoderConfig(Config):
    """Every option of diffusers' `AutoencoderKL`, with its default there; what the U-Net's machinery asks is fixed.

    scaling_factor : what latents are multiplied by to be of deviation 1; training measures it
    """

    KIND = "AutoencoderKL"
    told_steps = False
    in_channels: int = 3
    out_channels: int = 3
    down_block_types: tuple[str, ...] = ("DownEncoderBlock2D",)
    up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",)
    block_out_channels: tuple[int, ...] = (64,)
    layers_per_block: int = 1
    act_fn: str = "silu"
    latent_channels: int = 4
    norm_num_groups: int = 32
    sample_size: int | tuple[int, int] = 32
    scaling_factor: float = 0.18215
    shift_factor: float | None = None
    latents_mean: None = None
    latents_std: None = None
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True

    norm_eps = 1e-6
    dropout = 0.0
    downsample_padding = 0  # the halving that sees one row and column of zeros behind the last
    resnet_time_scale_shift = "default"

    @property
    def mid_attention(self) -> bool:
        return self.mid_block_add_attention

    def heads(self, block: int, kind: str = "") -> int:
        """One, in the middle alone."""
        return 1

    def depth(self, block: int) -> int:
        return 0

    @property
    def shrinkage(self) -> int:
        """Pixels on a side of the image for one of the latent: f of Rombach et al."""
        return int(2 ** (len(self.block_out_channels) - 1))


# Options with few values: what there is here.
SUPPORTED: Final[dict[str, tuple[Any, ...]]] = {
    "act_fn": ("silu", "swish"),
    "shift_factor": (None, 0.0),
    "latents_mean": (None,),
    "latents_std": (None,),
    "force_upcast": (False, True),  # all of it is float32
    "use_quant_conv": (False, True),
    "use_post_quant_conv": (False, True),
    "mid_block_add_attention": (False, True),
}
INTEGERS: Final = ("in_channels", "out_channels", "layers_per_block", "latent_channels", "norm_num_groups")
BLOCKS: Final = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",)}


def checked(options: Mapping[str, Any]) -> AutoencoderConfig:
    """The whole configuration of an autoencoder, defaults filled in.

    Parameters
    ----------
    options : those of diffusers' `AutoencoderKL`; names with a leading underscore are left out

    Raises
    ------
    ValueError : an option that does not exist, or a value that is not supported here

    Examples
    --------
    >>> checked({"block_out_channels": [32, 64], "down_block_types": ["DownEncoderBlock2D"] * 2,
    ...          "up_block_types": ["UpDecoderBlock2D"] * 2}).shrinkage
    2
    >>> checked({"act_fn": "gelu"})
    Traceback (most recent call last):
    ValueError: act_fn: expected 'silu' or 'swish', got 'gelu'
    """
    full = filled_in(options, AutoencoderConfig, SUPPORTED, INTEGERS)
    full["scaling_factor"] = _checks.real("scaling_factor", full["scaling_factor"], 0.0)
    if full["scaling_factor"] == 0.0:
        raise ValueError("scaling_factor: expected a number above 0, got 0.0")
    if full["out_channels"] != full["in_channels"]:
        raise ValueError(f"out_channels: expected in_channels, {full['in_channels']}, got {full['out_channels']}")
    full |= checked_blocks(full, BLOCKS)
    return AutoencoderConfig(**full | {"sample_size": checked_size(full)})
