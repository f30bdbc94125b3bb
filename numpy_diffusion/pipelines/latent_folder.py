"""The folder of a StableDiffusionPipeline: which part lies where.

    text_encoder/        transformers' CLIPTextModel
    unet/, vae/          diffusers' UNet2DConditionModel and AutoencoderKL
    scheduler/           the chain, what the U-Net predicts, and the solver with its steps
    model_index.json, tokenizer/     see `text_folder`

Other parts may be there, for checking pictures: they are not read.
"""

from __future__ import annotations

from typing import Any, Final

from numpy_diffusion import _files
from numpy_diffusion.interop.diffusers import (
    autoencoders,
    files,
    reverse_options,
    schedulers,
    solver_options,
    text_encoders,
    unets,
)
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.unet.config import UNetConditionConfig
from numpy_diffusion.pipelines import text_folder
from numpy_diffusion.pipelines.ddpm import INDEX
from numpy_diffusion.pipelines.texts import Tokenizer

KIND: Final = "StableDiffusionPipeline"
PARTS: Final = ("text_encoder", "tokenizer", "unet", "vae", "scheduler")
ABSENT: Final = ("safety_checker", "feature_extractor", "image_encoder")  # what there is none of here


def read(folder: _files.PathLike) -> dict[str, Any]:
    """The parts of a folder, as arguments of `LatentPipeline`; errors as for its `from_diffusers`."""
    folder = _files.as_path("folder", folder)
    text_folder.opened(folder, KIND, PARTS)
    scheduler = folder / "scheduler"
    return dict(
        text_encoder=text_encoders.read(folder / "text_encoder"),
        tokenizer=text_folder.read_tokenizer(folder),
        unet=unets.read(folder / "unet", (UNetConditionConfig.KIND,)),
        schedule=schedulers.read_schedule(scheduler),
        autoencoder=autoencoders.read(folder / "vae"),
        prediction=reverse_options.read(scheduler).prediction,
        solver=solver_options.read(scheduler),
    )


def write(
    folder: _files.PathLike,
    *,
    text_encoder: CLIPText,
    tokenizer: Tokenizer,
    unet: Any,
    schedule: Any,
    autoencoder: Any,
    prediction: str,
    solver: Any,
) -> None:
    """Write what `read` reads; errors as for `LatentPipeline.to_diffusers`."""
    folder = _files.as_path("folder", folder)
    kind, _ = solver_options.to_options(solver, schedule)
    predicted = reverse_options.prediction_type(prediction, kind)
    unets.check_writable(unet)  # before what is there is touched
    for network in (text_encoder, autoencoder):
        files.check_weights(network.params)
    text_folder.check_tokenizer(tokenizer)
    text_folder.closed(folder)
    text_encoder = text_folder.write_tokenizer(folder, tokenizer, text_encoder)
    text_encoders.write(text_encoder, folder / "text_encoder")
    unets.write(unet, folder / "unet")
    autoencoders.write(autoencoder, folder / "vae")
    solver_options.write(folder / "scheduler", solver, schedule, prediction_type=predicted)
    parts: dict[str, Any] = {name: [None, None] for name in ABSENT}
    parts |= {"requires_safety_checker": False, "scheduler": ["diffusers", kind]}
    parts |= {"text_encoder": ["transformers", text_encoders.KIND], "tokenizer": ["transformers", "CLIPTokenizer"]}
    parts |= {"unet": ["diffusers", UNetConditionConfig.KIND], "vae": ["diffusers", autoencoders.KIND]}
    files.write_json(folder, INDEX, KIND, parts)
