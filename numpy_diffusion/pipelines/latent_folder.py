"""The folder of a StableDiffusionPipeline: which part lies where.

    model_index.json     names the parts; it is written last, so that a folder cut short has none
    text_encoder/        transformers' CLIPTextModel
    tokenizer/           vocab.json and merges.txt, and words.json of one that was not CLIP's
    unet/, vae/          diffusers' UNet2DConditionModel and AutoencoderKL
    scheduler/           the chain, what the U-Net predicts, and the solver with its steps

Other parts may be there, for checking pictures: they are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.data.words import WordTokenizer
from numpy_diffusion.interop.diffusers import (
    autoencoders,
    files,
    schedulers,
    solver_options,
    text_encoders,
    unets,
    word_tokenizers,
)
from numpy_diffusion.interop.diffusers.clip_tokenizer import CLIPTokenizer
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.config import TOKENS
from numpy_diffusion.networks.unet.config import UNetConditionConfig
from numpy_diffusion.pipelines.ddpm import INDEX, PREDICTION, key
from numpy_diffusion.process.predictions import PREDICTIONS

KIND: Final = "StableDiffusionPipeline"
PARTS: Final = ("text_encoder", "tokenizer", "unet", "vae", "scheduler")
ABSENT: Final = ("safety_checker", "feature_extractor", "image_encoder")  # what there is none of here


def read(folder: _files.PathLike) -> dict[str, Any]:
    """The parts of a folder, as arguments of `LatentPipeline`; errors as for its `from_diffusers`."""
    folder = _files.as_path("folder", folder)
    files.read_json(folder, INDEX, (KIND,))
    for name in PARTS:
        if not (folder / name).is_dir():
            raise FileNotFoundError(f"{folder}: expected a {KIND}'s folder with {', '.join(PARTS)}, found no {name}")
    tokenizer, scheduler, unet = folder / "tokenizer", folder / "scheduler", unets.read(folder / "unet")
    with files.naming(folder / "unet"):
        _checks.choice("_class_name", unet.config.KIND, (UNetConditionConfig.KIND,))
    own_words = (tokenizer / word_tokenizers.WORDS).exists()
    return dict(
        text_encoder=text_encoders.read(folder / "text_encoder"),
        tokenizer=word_tokenizers.read(tokenizer) if own_words else CLIPTokenizer.from_folder(tokenizer),
        unet=unet,
        schedule=schedulers.read_schedule(scheduler),
        autoencoder=autoencoders.read(folder / "vae"),
        prediction=PREDICTION[schedulers.read(scheduler)["prediction_type"]],
        solver=solver_options.read(scheduler),
    )


def write(
    folder: _files.PathLike,
    *,
    text_encoder: CLIPText,
    tokenizer: WordTokenizer | CLIPTokenizer,
    unet: Any,
    schedule: Any,
    autoencoder: Any,
    prediction: str,
    solver: Any,
) -> None:
    """Write what `read` reads; errors as for `LatentPipeline.to_diffusers`."""
    folder = _files.as_path("folder", folder)
    predicted = key("prediction", PREDICTION, prediction, PREDICTIONS)
    kind, _ = solver_options.to_options(solver, schedule)
    unets.check_writable(unet)  # before what is there is touched
    for network in (text_encoder, autoencoder):
        files.check_weights(network.params)
    if isinstance(tokenizer, WordTokenizer):
        word_tokenizers.check_writable(tokenizer)
    with _files.os_errors_about("folder", folder):
        (folder / INDEX).unlink(missing_ok=True)
    places = text_encoder.config.max_position_embeddings
    if isinstance(tokenizer, WordTokenizer):
        text_encoder = _widened(text_encoder, word_tokenizers.write(tokenizer, folder / "tokenizer", places))
    else:
        with _files.os_errors_about("folder", folder):
            (folder / "tokenizer" / word_tokenizers.WORDS).unlink(missing_ok=True)  # of another pipeline
        tokenizer.to_folder(folder / "tokenizer")
    text_encoders.write(text_encoder, folder / "text_encoder")
    unets.write(unet, folder / "unet")
    autoencoders.write(autoencoder, folder / "vae")
    solver_options.write(folder / "scheduler", solver, schedule, prediction_type=predicted)
    parts: dict[str, Any] = {name: [None, None] for name in ABSENT}
    parts |= {"requires_safety_checker": False, "scheduler": ["diffusers", kind]}
    parts |= {"text_encoder": ["transformers", text_encoders.KIND], "tokenizer": ["transformers", "CLIPTokenizer"]}
    parts |= {"unet": ["diffusers", UNetConditionConfig.KIND], "vae": ["diffusers", autoencoders.KIND]}
    files.write_json(folder, INDEX, KIND, parts)


def holds(folder: Path) -> bool:
    """Whether model_index.json is one of these."""
    return files.read_options(folder, INDEX).get("_class_name") == KIND


def _widened(encoder: CLIPText, tokens: int) -> CLIPText:
    """The encoder with room for more tokens, which no text has: pieces of words on the way to whole ones."""
    if encoder.config.vocab_size >= tokens:
        return encoder
    wide = CLIPText(**encoder.options | {"vocab_size": tokens})
    table = np.zeros_like(wide.params[TOKENS])
    table[: encoder.config.vocab_size] = encoder.params[TOKENS]
    wide.fill(encoder.params | {TOKENS: table})
    return wide
