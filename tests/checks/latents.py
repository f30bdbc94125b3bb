"""A latent pipeline of drawn weights, small enough for every test."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.data import captions
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines.latent import LatentPipeline
from numpy_diffusion.process.schedules import Schedule

PLACES = 20
WIDTH = 8


def drawn(part: Any, seed: int, scale: float = 0.3) -> Any:
    """The same with weights that are all drawn, so that nothing in it is zero."""
    assert isinstance(part, Parameterised)
    part.buffer[:] = scale * np.random.default_rng(seed).normal(size=part.buffer.size)
    return part


def text_encoder(**options: Any) -> CLIPText:
    known = dict(vocab_size=len(captions.tokenizer()), hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=1)
    known |= dict(num_attention_heads=2, max_position_embeddings=PLACES, eos_token_id=captions.tokenizer().end)
    return drawn(CLIPText(**known | options), 0)


def unet(**options: Any) -> UNet:
    known: dict[str, Any] = dict(sample_size=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4)
    known |= dict(cross_attention_dim=WIDTH, attention_head_dim=2)
    known |= dict(down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"))
    known |= dict(up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
    return drawn(UNet(**known | options), 1)


def autoencoder() -> AutoencoderKL:
    options: dict[str, Any] = dict(sample_size=8, block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4)
    kinds = dict(down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)
    found: AutoencoderKL = drawn(AutoencoderKL(**options, **kinds), 2, 0.15)
    found.scaling_factor = 0.7
    return found


def pipeline(**changes: Any) -> LatentPipeline:
    parts = dict(text_encoder=text_encoder(), tokenizer=captions.tokenizer(), unet=unet(), autoencoder=autoencoder())
    return LatentPipeline(**parts | dict(schedule=Schedule.linear(T=100)) | changes)
