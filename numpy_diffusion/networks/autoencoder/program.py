"""The autoencoder's structure: encoder and decoder as two lists of the U-Net's operations (`unet.program.Op`).

Rombach et al. (2022, arXiv 2112.10752, appendix G); the names of parameters are those of diffusers' `AutoencoderKL`.
"""

from __future__ import annotations

from collections.abc import Iterator

from numpy_diffusion.models.parameters import Shapes
from numpy_diffusion.networks.autoencoder.config import AutoencoderConfig, checked
from numpy_diffusion.networks.unet.program import Op, shapes_of

__all__ = ["checked", "decoder", "encoder", "shapes"]


def encoder(config: AutoencoderConfig) -> list[Op]:
    """From an image to the moments of its latent: twice latent_channels.

    Examples
    --------
    >>> [op.kind for op in encoder(checked({"mid_block_add_attention": False}))]
    ['conv_in', 'resnet', 'resnet', 'resnet', 'conv_out', 'pointwise']
    """
    channels, moments = config.block_out_channels, 2 * config.latent_channels
    ops, h = [Op("conv_in", "encoder.conv_in", config.in_channels, channels[0])], channels[0]
    for block, n in enumerate(channels):
        for layer in range(config.layers_per_block):
            ops += [Op("resnet", f"encoder.down_blocks.{block}.resnets.{layer}", h, n)]
            h = n
        if block < len(channels) - 1:
            ops += [Op("downsample", f"encoder.down_blocks.{block}.downsamplers.0.conv", n, n)]
    ops += [*_middle(config, "encoder"), Op("conv_out", "encoder.conv_out", h, moments)]
    return [*ops, Op("pointwise", "quant_conv", moments, moments)] if config.use_quant_conv else ops


def decoder(config: AutoencoderConfig) -> list[Op]:
    """From a latent to an image."""
    channels, latent = config.block_out_channels[::-1], config.latent_channels
    ops = [Op("pointwise", "post_quant_conv", latent, latent)] if config.use_post_quant_conv else []
    ops += [Op("conv_in", "decoder.conv_in", latent, channels[0]), *_middle(config, "decoder")]
    h = channels[0]
    for block, n in enumerate(channels):
        for layer in range(config.layers_per_block + 1):
            ops += [Op("resnet", f"decoder.up_blocks.{block}.resnets.{layer}", h, n)]
            h = n
        if block < len(channels) - 1:
            ops += [Op("upsample", f"decoder.up_blocks.{block}.upsamplers.0.conv", n, n)]
    return [*ops, Op("conv_out", "decoder.conv_out", h, config.out_channels)]


def _middle(config: AutoencoderConfig, part: str) -> Iterator[Op]:
    last = len(config.block_out_channels) - 1
    n = config.block_out_channels[last]
    yield Op("resnet", f"{part}.mid_block.resnets.0", n, n)
    if config.mid_attention:
        yield Op("attention", f"{part}.mid_block.attentions.0", n, n, config.heads(last))
    yield Op("resnet", f"{part}.mid_block.resnets.1", n, n)


def shapes(config: AutoencoderConfig) -> Shapes:
    """Every parameter's shape by the name that it has in diffusers' state dict, in the programs' order.

    Examples
    --------
    >>> found = shapes(checked({}))
    >>> found["encoder.conv_out.weight"], found["quant_conv.weight"]
    ((8, 64, 3, 3), (8, 8, 1, 1))
    """
    found: Shapes = {}
    for op in (*encoder(config), *decoder(config)):
        found |= shapes_of(op, config)
    return found
