"""A small DALL-E 2 of drawn weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.latents import drawn

from numpy_diffusion.data import captions
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.pipelines.unclip_stage import Stage
from numpy_diffusion.process.schedules import Schedule

PLACES = 20
D = 8  # numbers of an embedding and of a state
TIME = 32  # of the decoder's time embedding
ATTENDED = 8  # of a state as the decoder takes it
T = 100


def text_encoder(**options: Any) -> CLIPTextWithProjection:
    known = dict(vocab_size=len(captions.tokenizer()), hidden_size=D, intermediate_size=16, num_hidden_layers=1)
    known |= dict(num_attention_heads=2, max_position_embeddings=PLACES, eos_token_id=captions.tokenizer().end)
    return drawn(CLIPTextWithProjection(**known | dict(projection_dim=D) | options), 0)


def image_encoder(**options: Any) -> CLIPVisionWithProjection:
    known = dict(hidden_size=8, intermediate_size=16, projection_dim=D, num_hidden_layers=1, num_attention_heads=2)
    return drawn(CLIPVisionWithProjection(**known | dict(num_channels=3, image_size=4, patch_size=2) | options), 1)


def prior(**options: Any) -> PriorTransformer:
    known = dict(num_attention_heads=2, attention_head_dim=4, num_layers=1, embedding_dim=D, num_embeddings=PLACES)
    return drawn(PriorTransformer(**known | options), 2)


def text_projection(**options: Any) -> TextProjection:
    known = dict(
        clip_extra_context_tokens=2, clip_embeddings_dim=D, time_embed_dim=TIME, cross_attention_dim=ATTENDED
    )
    return drawn(TextProjection(**known | options), 3)


def decoder(**options: Any) -> UNet:
    known: dict[str, Any] = dict(sample_size=8, in_channels=3, out_channels=6, block_out_channels=(8, 16))
    known |= dict(layers_per_block=1, norm_num_groups=4, cross_attention_dim=ATTENDED, attention_head_dim=8)
    known |= dict(class_embed_type="identity", resnet_time_scale_shift="scale_shift")
    known |= dict(down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"))
    known |= dict(mid_block_type="UNetMidBlock2DSimpleCrossAttn")
    known |= dict(up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"))
    return drawn(UNet(**known | options), 4)


def upsampler(size: int = 16, seed: int = 5, **options: Any) -> UNet:
    known: dict[str, Any] = dict(sample_size=size, in_channels=6, out_channels=3, block_out_channels=(4, 8))
    known |= dict(layers_per_block=1, norm_num_groups=2, resnet_time_scale_shift="scale_shift", add_attention=False)
    known |= dict(down_block_types=("ResnetDownsampleBlock2D",) * 2, up_block_types=("ResnetUpsampleBlock2D",) * 2)
    return drawn(UNet(**known | options), seed)


def stages(T: int = T) -> dict[str, Stage]:
    schedule = Schedule.cosine(T=T)
    return dict(
        prior_stage=Stage(schedule, steps=4, clip=2.0, prediction="x0"),
        decoder_stage=Stage(schedule, steps=4, variance="learned"),
        upsampler_stage=Stage(schedule, steps=3),
    )


def pipeline(**changes: Any) -> UnCLIP:
    """Pictures of 8, 16 and 32 pixels a side."""
    parts: dict[str, Any] = dict(text_encoder=text_encoder(), tokenizer=captions.tokenizer(), prior=prior())
    parts |= dict(text_projection=text_projection(), decoder=decoder())
    parts |= dict(upsamplers=(upsampler(), upsampler(32, 6)), image_encoder=image_encoder())
    return UnCLIP(**parts | stages() | changes)


class GaussianDecoder(UNet):
    """Exact where pictures are m + s z with z ~ N(0, I), of a grey m that the embedding says."""

    deviation = 0.3
    schedule = Schedule.linear(T=T)

    def mean(self, embedding: np.ndarray) -> np.ndarray:
        """m of embeddings as the projection makes them [N, TIME]: [N, 1, 1, 1]."""
        return 0.3 * np.tanh(embedding[:, :1, None, None])

    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        kept = self.schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        total = 1.0 - kept + kept * self.deviation**2
        eps = np.sqrt(1.0 - kept) * (x - np.sqrt(kept) * self.mean(condition.embedding)) / total
        return np.concatenate([eps, 0.0 * eps], axis=1).astype(np.float32)


def gaussian_pipeline(steps: int = T) -> UnCLIP:
    """One with that decoder, gone down in so many steps, and without upsamplers."""
    exact = GaussianDecoder(**decoder().options)
    stage = Stage(exact.schedule, steps=steps, variance="learned", clip=None)
    return pipeline(decoder=exact, decoder_stage=stage, upsamplers=())
