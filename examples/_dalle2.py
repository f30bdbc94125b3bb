"""What the examples of DALL-E 2 share: its networks, and how each is trained on captioned scenes.

Five trainings, of which any can go on alone: CLIP; on its embeddings the prior and the decoder; two upsamplers, which
need no CLIP.  Each keeps a run in a folder of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, assert_never, get_args

import _latents
import numpy as np

import numpy_diffusion as nd

Part = Literal["clip", "prior", "decoder", "upsampler_1", "upsampler_2"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
UPSAMPLERS: Final = PARTS[3:]

SIZES: Final = (32, 64, 128)  # pixels a side: of CLIP and the decoder, and after each upsampler
SCENES: Final = (20_000, 6000, 3000)  # to learn from, of each size
WIDTH: Final = 64  # of an embedding, and of a word's state
PLACES: Final = _latents.PLACES
CHANNELS: Final = (32, 48, 64, 96)  # of the decoder, which attends at its last two levels
UPSAMPLER_CHANNELS: Final = (32, 64)
SCHEDULE: Final = nd.Schedule.cosine(T=1000)  # of every chain: diffusers' UnCLIPScheduler knows no other

STEPS: Final[dict[Part, int]] = dict(clip=3000, prior=5000, decoder=10_000, upsampler_1=3000, upsampler_2=3000)
BATCH: Final[dict[Part, int]] = dict(clip=128, prior=256, decoder=32, upsampler_1=16, upsampler_2=8)
RATE: Final[dict[Part, float]] = dict(clip=1e-3, prior=1e-3, decoder=2e-3, upsampler_1=2e-3, upsampler_2=2e-3)
PRIOR_CHAIN, DECODER_CHAIN, UPSAMPLER_CHAIN = 25, 50, 5  # steps of sampling


def clip(seed: int = 0) -> nd.CLIP:
    """An encoder of scenes of 32 x 32 pixels and one of captions, with 0.27 M parameters."""
    tokenizer = nd.captions.tokenizer()
    sizes = dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_attention_heads=4, projection_dim=WIDTH)
    return nd.CLIP(
        image_encoder=dict(image_size=SIZES[0], patch_size=4, num_hidden_layers=3, **sizes),
        text_encoder=dict(
            vocab_size=len(tokenizer),
            eos_token_id=tokenizer.end,
            max_position_embeddings=PLACES,
            num_hidden_layers=2,
            **sizes,
        ),
        seed=seed,
    )


def prior(nothing: nd.Condition, seed: int = 0) -> nd.PriorTransformer:
    """The picture's embedding of a caption; `nothing` is the empty one."""
    model = nd.PriorTransformer(
        num_attention_heads=4,
        attention_head_dim=WIDTH // 4,
        num_layers=3,
        embedding_dim=WIDTH,
        num_embeddings=PLACES,
        seed=seed,
    )
    model.nothing = nothing
    return model


def decoder(nothing: nd.Condition, seed: int = 0) -> nd.UnCLIPDecoder:
    """Scenes of 32 x 32 pixels, from embeddings and captions."""
    attended = _latents.ATTENDED
    plain = len(CHANNELS) - attended
    return nd.UnCLIPDecoder(
        unet=dict(
            sample_size=SIZES[0],
            in_channels=3,
            out_channels=6,
            block_out_channels=CHANNELS,
            layers_per_block=1,
            norm_num_groups=8,
            cross_attention_dim=WIDTH,
            attention_head_dim=16,
            class_embed_type="identity",
            resnet_time_scale_shift="scale_shift",
            down_block_types=["ResnetDownsampleBlock2D"] * plain + ["SimpleCrossAttnDownBlock2D"] * attended,
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=["SimpleCrossAttnUpBlock2D"] * attended + ["ResnetUpsampleBlock2D"] * plain,
        ),
        text_projection=dict(clip_embeddings_dim=WIDTH),
        nothing=dict(text_embedding=nothing.embedding, states=nothing.states),
        seed=seed,
    )


def upsampler(number: int, seed: int = 0) -> nd.Upsampler:
    """From one size to the next, going by the small picture; without attention, as parts of pictures teach it."""
    return nd.Upsampler(
        sample_size=SIZES[number + 1],
        in_channels=6,
        out_channels=3,
        block_out_channels=UPSAMPLER_CHANNELS,
        layers_per_block=1,
        norm_num_groups=8,
        add_attention=False,
        resnet_time_scale_shift="scale_shift",
        down_block_types=["ResnetDownsampleBlock2D"] * len(UPSAMPLER_CHANNELS),
        up_block_types=["ResnetUpsampleBlock2D"] * len(UPSAMPLER_CHANNELS),
        seed=seed,
    )


class Encoded(NamedTuple):
    """What CLIP makes of scenes."""

    pictures: np.ndarray  # embeddings float32 [N, D]
    texts: nd.Condition  # embedding [N, D], states [N, L, D], mask [N, L]


def encoded(clip: nd.CLIP, scenes: nd.captions.Scenes) -> Encoded:
    """Embeddings of the pictures, by blocks, and what the texts are to prior and decoder."""
    blocks = np.array_split(scenes.x0, -(-len(scenes.x0) // _latents.BLOCK))
    pictures = np.concatenate([clip.image_encoder(block) for block in blocks])
    return Encoded(pictures, told(clip, _latents.tokens(scenes.captions).tokens))


def told(clip: nd.CLIP, ids: np.ndarray) -> nd.Condition:
    """The embeddings, states and mask of texts [N, L]."""
    found = clip.text_encoder(ids)
    return nd.Condition(embedding=found.embedding, states=found.states, mask=nd.captions.tokenizer().mask(ids))


def nothing(clip: nd.CLIP) -> nd.Condition:
    """What stands for a caption that is left out: what the encoder makes of the empty one."""
    return told(clip, nd.captions.tokenizer().nothing[None, :PLACES]).rows(0)


# --- training ----------------------------------------------------------------------------------------------------


class Plan(NamedTuple):
    """What decides all trainings."""

    seed: int
    steps: dict[Part, int]
    scenes: int  # to learn from at most, of each size
    run: Path | None  # the folder of all runs; None to keep none


def needed(part: Part) -> tuple[Part, ...]:
    """The part, behind those that must be trained before it."""
    return ("clip", part) if part in ("prior", "decoder") else (part,)


def trained(part: Part, plan: Plan, clip: nd.CLIP | None) -> Any:
    """The network of a part, trained, or that of its run; prior and decoder need CLIP."""
    match part:
        case "clip":
            return _trained_clip(plan)
        case "prior" | "decoder":
            assert clip is not None
            return _trained_prior(plan, clip) if part == "prior" else _trained_decoder(plan, clip)
        case "upsampler_1" | "upsampler_2":
            return _trained_upsampler(plan, part)
        case _:
            assert_never(part)


def _trained_clip(plan: Plan) -> nd.CLIP:
    x0, captions, _ = _scenes(plan, 0)
    return nd.train_clip(clip(plan.seed), x0, _latents.tokens(captions).tokens, **_options(plan, "clip")).clip


def _trained_prior(plan: Plan, clip: nd.CLIP) -> nd.PriorTransformer:
    scenes = encoded(clip, _scenes(plan, 0))
    model = prior(nothing(clip), plan.seed)
    return nd.train(model, SCHEDULE, scenes.pictures, scenes.texts, **_options(plan, "prior")).model


def _trained_decoder(plan: Plan, clip: nd.CLIP) -> nd.UnCLIPDecoder:
    """On pictures, their own embeddings and their captions; lambda(t) is that of `_latents.weighting`, for x_0."""
    scenes = _scenes(plan, 0)
    pictures, texts = encoded(clip, scenes)
    told = nd.Condition(embedding=pictures, text_embedding=texts.embedding, states=texts.states, mask=texts.mask)
    options = _options(plan, "decoder") | dict(weighting=np.minimum(SCHEDULE.snr[1:], _latents.SIGNAL) + 1.0)
    options |= dict(warmup=min(_latents.WARMUP, plan.steps["decoder"] // 4))
    return nd.train(decoder(nothing(clip), plan.seed), SCHEDULE, scenes.x0, told, **options).model


def _trained_upsampler(plan: Plan, part: Part) -> nd.Upsampler:
    """On quarters of pictures, anywhere in them, going by the same at half the size."""
    number = UPSAMPLERS.index(part)
    large, small = _scenes(plan, number + 1), _scenes(plan, number + 1, SIZES[number])
    options = _options(plan, part) | dict(crop=SIZES[number])
    told = nd.Condition(low_resolution=small.x0)
    return nd.train(upsampler(number, plan.seed), SCHEDULE, large.x0, told, **options).model


def _scenes(plan: Plan, number: int, size: int | None = None) -> nd.captions.Scenes:
    """Those that the networks of SIZES[number] learn from, of combinations that are not held out."""
    return nd.captions.scenes(min(plan.scenes, SCENES[number]), size or SIZES[number], plan.seed)


def _options(plan: Plan, part: Part) -> dict[str, Any]:
    folder = None if plan.run is None else plan.run / part
    batch = min(BATCH[part], plan.scenes)
    known = dict(steps=plan.steps[part], batch=batch, learning_rate=RATE[part], seed=plan.seed)
    return known | _latents.resumable(folder)


# --- the whole ---------------------------------------------------------------------------------------------------


def pipeline(
    clip: nd.CLIP,
    prior: nd.PriorTransformer,
    decoder: nd.UnCLIPDecoder,
    upsampler_1: nd.Upsampler,
    upsampler_2: nd.Upsampler,
) -> nd.UnCLIP:
    """The parts together."""
    projection, unet = decoder.parts()
    return nd.UnCLIP(
        clip.text_encoder,
        nd.captions.tokenizer(),
        prior,
        projection,
        unet,
        (upsampler_1, upsampler_2),
        prior_stage=nd.Stage(SCHEDULE, steps=PRIOR_CHAIN, clip=None, prediction="x0"),
        decoder_stage=nd.Stage(SCHEDULE, steps=DECODER_CHAIN, variance="learned", prediction="x0"),
        upsampler_stage=nd.Stage(SCHEDULE, steps=UPSAMPLER_CHAIN, prediction="x0"),
        image_encoder=clip.image_encoder,
    )
