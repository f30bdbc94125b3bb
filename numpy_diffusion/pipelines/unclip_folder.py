"""The folder of an UnCLIPPipeline: which part lies where.

    text_encoder/                         transformers' CLIPTextModelWithProjection
    prior/, text_proj/                    diffusers' PriorTransformer and UnCLIPTextProjModel
    decoder/                              diffusers' UNet2DConditionModel
    super_res_first/, super_res_last/     two UNet2DModel: the first upsampler, and who takes its last step
    prior_scheduler/, decoder_scheduler/, super_res_scheduler/
                                          how each chain is gone down: an UnCLIPScheduler
    model_index.json, tokenizer/          see `text_folder`

and what diffusers has no place for, and does not look at:

    upsampler_2/, upsampler_3/ and so on  further upsamplers, as many as the index says under "_upsamplers"
    image_encoder/                        transformers' CLIPVisionModelWithProjection, by "_image_encoder"
    _num_inference_steps                  in a scheduler's file: how many steps its chain takes

What stands for no text is in none of the files: theirs take what the encoder makes of an empty one, and so does what
is read here.

Not every `UnCLIP` is an UnCLIPPipeline.  That has an upsampler, square images, a learned variance of its decoder, and
UnCLIPScheduler's solver; its prior has as many states as the encoder has places, and takes the empty text for none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import (
    files,
    priors,
    reverse_options,
    schedulers,
    solver_options,
    text_encoders,
    text_projections,
    unets,
)
from numpy_diffusion.interop.diffusers.files import Options
from numpy_diffusion.interop.diffusers.reverse_options import Reverse
from numpy_diffusion.interop.diffusers.schedulers import Kind
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.config import UNetConditionConfig, UNetConfig
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import text_folder, texts, unclip_parts
from numpy_diffusion.pipelines.ddpm import INDEX
from numpy_diffusion.pipelines.texts import Tokenizer
from numpy_diffusion.pipelines.unclip_stage import Stage

KIND: Final = "UnCLIPPipeline"
SCHEDULER: Final[Kind] = "UnCLIPScheduler"


class Chain(NamedTuple):
    """Where a stage's scheduler lies, and the steps that diffusers' pipeline takes."""

    place: str
    steps: int


CHAINS: Final = {
    "prior_stage": Chain("prior_scheduler", 25),
    "decoder_stage": Chain("decoder_scheduler", 25),
    "upsampler_stage": Chain("super_res_scheduler", 7),
}
LIBRARIES: Final = {  # of the index: who has a part's class, and its name
    "text_encoder": ["transformers", text_encoders.WITH_PROJECTION],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "prior": ["diffusers", priors.KIND],
    # Not "diffusers", as its version 0.38 writes, since it does not find the class there again.
    "text_proj": ["diffusers.pipelines.deprecated.unclip.text_proj", text_projections.KIND],
    "decoder": ["diffusers", UNetConditionConfig.KIND],
    "super_res_first": ["diffusers", UNetConfig.KIND],
    "super_res_last": ["diffusers", UNetConfig.KIND],
} | {chain.place: ["diffusers", SCHEDULER] for chain in CHAINS.values()}
PARTS: Final = tuple(LIBRARIES)
MORE: Final = "_upsamplers"
IMAGES: Final = "_image_encoder"
STEPS: Final = "_num_inference_steps"


def read(folder: _files.PathLike) -> dict[str, Any]:
    """The parts of a folder, as arguments of `UnCLIP`; errors as for its `from_diffusers`."""
    folder = _files.as_path("folder", folder)
    index = text_folder.opened(folder, KIND, PARTS)
    with files.naming(folder / INDEX):
        count = _checks.integer(MORE, index.get(MORE, 1), 1)
        sees = _checks.instance(IMAGES, index.get(IMAGES, False), bool)
    stages = {name: _stage(folder / chain.place, chain) for name, chain in CHAINS.items()}
    encoder = text_encoders.read_as(folder / "text_encoder", CLIPTextWithProjection)
    tokenizer = text_folder.read_tokenizer(folder)
    prior = priors.read(folder / "prior")
    with files.naming(folder / CHAINS["prior_stage"].place / schedulers.FILE):
        unclip_parts.check_prediction("prediction_type", stages["prior_stage"], prior)
    first, last = (unets.read(folder / name, (UNetConfig.KIND,)) for name in ("super_res_first", "super_res_last"))
    further = [unets.read(folder / name, (UNetConfig.KIND,)) for name in _further(count)]
    parts = dict(
        text_encoder=encoder,
        tokenizer=tokenizer,
        prior=prior,
        text_projection=text_projections.read(folder / "text_proj"),
        decoder=unets.read(folder / "decoder", (UNetConditionConfig.KIND,)),
        upsamplers=(first, *further),
        image_encoder=text_encoders.read_as(folder / "image_encoder", CLIPVisionWithProjection) if sees else None,
        last_upsampler=None if _same(last, first) else last,
        **stages,
    )
    with files.naming(folder):  # where tokenizer, encoder and prior do not go together
        prior.nothing = empty_text(tokenizer, encoder)
    return parts


def write(
    folder: _files.PathLike,
    *,
    text_encoder: CLIPTextWithProjection,
    tokenizer: Tokenizer,
    prior: PriorTransformer,
    text_projection: TextProjection,
    decoder: UNet,
    upsamplers: tuple[UNet, ...],
    image_encoder: CLIPVisionWithProjection | None,
    last_upsampler: UNet | None,
    **stages: Stage,
) -> None:
    """Write what `read` reads; errors as for `UnCLIP.to_diffusers`."""
    folder = _files.as_path("folder", folder)
    # All that may be refused, before what is there is touched.
    _check_there(text_encoder, tokenizer, prior, upsamplers, stages["decoder_stage"])
    options = {name: _options(name, stage) for name, stage in stages.items()}
    last = upsamplers[0] if last_upsampler is None else last_upsampler
    images = {"decoder": decoder, "super_res_first": upsamplers[0], "super_res_last": last}
    images |= dict(zip(_further(len(upsamplers)), upsamplers[1:], strict=True))
    for name, network in images.items():
        with files.naming(name):
            unets.check_writable(network)
            if not isinstance(size := network.config.sample_size, int):
                raise ValueError(f"sample_size: expected one number, as {KIND}'s images are square, got {size}")
    priors.check_writable(prior)
    for encoder in (text_encoder, text_projection, image_encoder):
        files.check_weights({} if encoder is None else encoder.params)
    text_folder.check_tokenizer(tokenizer)
    text_folder.closed(folder)
    text_encoders.write(text_folder.write_tokenizer(folder, tokenizer, text_encoder), folder / "text_encoder")
    priors.write(prior, folder / "prior")
    text_projections.write(text_projection, folder / "text_proj")
    for name, network in images.items():
        unets.write(network, folder / name)
    if image_encoder is not None:
        text_encoders.write(image_encoder, folder / "image_encoder")
    for name, chain in CHAINS.items():
        stage = stages[name]
        solver_options.write(folder / chain.place, stage.solver, stage.schedule, SCHEDULER, **options[name])
    own = {MORE: len(upsamplers), IMAGES: image_encoder is not None}
    files.write_json(folder, INDEX, KIND, own | LIBRARIES)


def empty_text(tokenizer: Tokenizer, encoder: CLIPTextWithProjection) -> Condition:
    """What the prior of diffusers' pipeline is told in place of a text that is left out."""
    embedding, states, mask = texts.encoded_nothing(tokenizer, encoder)
    return Condition(embedding=embedding[0], states=states[0], mask=mask[0])


def _further(count: int) -> Iterator[str]:
    """Where the upsamplers behind the first lie, of so many."""
    return (f"upsampler_{number}" for number in range(2, count + 1))


def _same(one: UNet, other: UNet) -> bool:
    pairs = zip(one.readable.values(), other.readable.values(), strict=False)  # as many, of one configuration
    return one.config == other.config and all(np.array_equal(*pair) for pair in pairs)


def _stage(folder: Path, chain: Chain) -> Stage:
    """How a chain is gone down, of its scheduler's folder."""
    written = files.read_json(folder, schedulers.FILE, (SCHEDULER,))
    schedule, solver = schedulers.read_schedule(folder), solver_options.read(folder)
    reverse = reverse_options.read(folder)
    with files.naming(folder / schedulers.FILE):
        steps = _checks.integer(STEPS, written.get(STEPS, min(chain.steps, schedule.T)), 1, schedule.T)
        return Stage(schedule, solver, steps, reverse.variance, reverse.clip, reverse.prediction)


def _options(name: str, stage: Stage) -> Options:
    """What stands in a scheduler's file beside its chain and solver; ValueError where there is no such thing."""
    with files.naming(name):
        solver_options.to_options(stage.solver, stage.schedule, SCHEDULER)
        reverse = Reverse(stage.prediction, stage.clip, stage.variance)
        return reverse_options.to_options(reverse, SCHEDULER) | {STEPS: stage.steps}


def _check_there(
    text_encoder: CLIPTextWithProjection,
    tokenizer: Tokenizer,
    prior: PriorTransformer,
    upsamplers: tuple[UNet, ...],
    decoder_stage: Stage,
) -> None:
    """ValueError where diffusers' pipeline would not open it or make other pictures."""
    if not upsamplers:
        raise ValueError(f"upsamplers: expected at least one, as {KIND} has, got none")
    if decoder_stage.variance != "learned":
        raise ValueError(
            f"decoder_stage: expected variance 'learned', as {KIND} has it, got {decoder_stage.variance!r}"
        )
    places, length = text_encoder.config.max_position_embeddings, prior.config.num_embeddings
    if length != places:
        raise ValueError(f"prior: expected num_embeddings {places}, as the text encoder has places, got {length}")
    own, there = (_numbers(text) for text in (prior.nothing, empty_text(tokenizer, text_encoder)))
    for name, values in there.items():
        if own[name].shape != values.shape or np.abs(own[name] - values).max() > 1e-5 * np.abs(values).max():
            raise ValueError(
                f"prior: expected nothing to be what the text encoder makes of the empty text, as {KIND} takes it, "
                f"got another {name}"
            )


def _numbers(text: Condition) -> dict[str, np.ndarray]:
    """What a text is, without what its mask leaves out."""
    return {"embedding": text.embedding, "states": text.states[text.mask]}
