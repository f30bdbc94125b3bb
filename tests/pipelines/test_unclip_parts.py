"""Parts of DALL-E 2 that do not go together are named."""

from __future__ import annotations

from typing import Any

import pytest
from checks import unclip
from checks.clip import vision

import numpy_diffusion as nd
from numpy_diffusion.pipelines.unclip_stage import Stage
from numpy_diffusion.process.schedules import Schedule

SCHEDULE = Schedule.cosine(T=20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(text_encoder=unclip.decoder()), "text_encoder: expected a CLIPTextWithProjection, got UNet"),
        (
            dict(text_encoder=unclip.text_encoder(projection_dim=4)),
            "text_encoder: expected projection_dim = 8 as the",
        ),
        (
            dict(text_encoder=unclip.text_encoder(hidden_size=4)),
            "text_encoder: expected hidden_size = 8 as the prior",
        ),
        (
            dict(text_encoder=unclip.text_encoder(vocab_size=9, eos_token_id=8)),
            "tokenizer: expected at most the enco",
        ),
        (dict(tokenizer=None), "tokenizer: expected a WordTokenizer or a CLIPTokenizer, got NoneType"),
        (dict(prior=None), "prior: expected a PriorTransformer, got NoneType"),
        (
            dict(prior=unclip.prior(embedding_proj_dim=4)),
            "prior: expected embedding_proj_dim = 8 as the prior's embed",
        ),
        (
            dict(prior=unclip.prior(num_embeddings=19)),
            "prior: expected num_embeddings of at least .* 20 places, got 19",
        ),
        (
            dict(text_projection=unclip.text_projection(clip_embeddings_dim=4)),
            "text_projection: expected clip_embeddings_dim = 8 as the prior's embedding_dim, got 4",
        ),
        (
            dict(text_projection=unclip.text_projection(time_embed_dim=4)),
            "text_projection: expected time_embed_dim = 32 as of the U-Net, got 4",
        ),
        (dict(decoder=unclip.upsampler()), "unet: expected one that is told an embedding as it is"),
        (
            dict(decoder=unclip.decoder(in_channels=2, out_channels=4)),
            "decoder: expected images of 3 channels, got 2",
        ),
        (dict(upsamplers=unclip.upsampler()), "upsamplers: expected a tuple, got UNet"),
        (
            dict(upsamplers=(unclip.decoder(),)),
            r"upsamplers\[0\]: expected one that is told low_resolution alone, got",
        ),
        (
            dict(upsamplers=(unclip.upsampler(4),)),
            r"upsamplers\[0\]: expected images of at least \[3, 8, 8\], got \[3",
        ),
        (
            dict(upsamplers=(unclip.upsampler(in_channels=2, out_channels=1),)),
            r"upsamplers\[0\]: expected images of 3 channels, got 1",
        ),
        (
            dict(last_upsampler=unclip.upsampler(), upsamplers=()),
            "last_upsampler: expected None without upsamplers, got a UNet",
        ),
        (
            dict(last_upsampler=unclip.upsampler(32)),
            r"last_upsampler: expected images of \[3, 16, 16\], as the first upsampler's, got \[3, 32, 32\]",
        ),
        (dict(image_encoder=vision()), "image_encoder: expected num_channels = 3, got 2"),
        (dict(image_encoder=unclip.image_encoder(projection_dim=4)), "image_encoder: expected projection_dim = 8 as"),
        (dict(prior_stage=SCHEDULE), "prior_stage: expected a Stage, got Schedule"),
        (
            dict(prior_stage=Stage(SCHEDULE, steps=4)),
            "prior_stage: expected prediction 'x0', as the network's, got 'eps'",
        ),
        (
            dict(upsamplers=(nd.Upsampler(**unclip.upsampler().options),)),
            "upsampler_stage: expected prediction 'x0', as the network's, got 'eps'",
        ),
        (
            dict(prior_stage=Stage(SCHEDULE, steps=4, variance="learned", prediction="x0")),
            "prior_stage: expected variance 'learned' of",
        ),
        (
            dict(upsampler_stage=Stage(SCHEDULE, steps=4, variance="learned")),
            "upsampler_stage: expected variance 'learned' of networks that learn it, got it of others",
        ),
    ],
)
def test_parts_that_do_not_go_together_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unclip.pipeline(**changes)


def test_parts_may_be_left_out() -> None:
    assert unclip.pipeline(upsamplers=(), image_encoder=None).shape == (3, 8, 8)
    assert unclip.pipeline(last_upsampler=unclip.upsampler(seed=7)).shape == (3, 32, 32)
