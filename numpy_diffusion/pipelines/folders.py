"""Whatever a folder of diffusers holds: a pipeline of any kind, a network of any, an encoder, or a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from numpy_diffusion import _files
from numpy_diffusion.interop.diffusers import autoencoders, priors, schedulers, text_encoders, text_projections, unets
from numpy_diffusion.interop.diffusers.files import CONFIG, WEIGHTS, read_options
from numpy_diffusion.interop.diffusers.text_encoders import Encoder
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.prior.prior import PriorTransformer
from numpy_diffusion.networks.text_projection.text_projection import TextProjection
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.pipelines import ddpm, latent_folder, unclip_folder
from numpy_diffusion.pipelines.ddpm import Pipeline
from numpy_diffusion.pipelines.latent import LatentPipeline
from numpy_diffusion.pipelines.unclip import UnCLIP
from numpy_diffusion.process.schedules import Schedule

Network = UNet | AutoencoderKL | Encoder | PriorTransformer | TextProjection
System = Pipeline | LatentPipeline | UnCLIP
Writable = Network | System


def load_diffusers(folder: _files.PathLike) -> System | Network | Schedule:
    """What is in the folder: a `Pipeline` of network and chain, a `LatentPipeline` or `UnCLIP`, a `UNet`, an
    `AutoencoderKL`, a `CLIPText`, `CLIPTextWithProjection` or `CLIPVisionWithProjection`, a `PriorTransformer`, a
    `TextProjection`, or a scheduler's `Schedule`.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported

    Examples
    --------
    >>> load_diffusers("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/folder: expected a folder in diffusers' layout, found no such folder
    """
    folder = _files.as_path("folder", folder)
    if not (folder / ddpm.INDEX).exists():
        if (folder / CONFIG).exists():
            return _part(folder)
        if (folder / schedulers.FILE).exists():
            return schedulers.read_schedule(folder)
        return Pipeline.from_diffusers(folder)
    match read_options(folder, ddpm.INDEX).get("_class_name"):
        case latent_folder.KIND:
            return LatentPipeline.from_diffusers(folder)
        case unclip_folder.KIND:
            return UnCLIP.from_diffusers(folder)
    return Pipeline.from_diffusers(folder)


def _part(folder: Path) -> Network:
    """The network of a folder, of whichever class its config.json names."""
    if text_encoders.holds(folder):
        return text_encoders.read_any(folder)
    match read_options(folder, CONFIG).get("_class_name"):
        case autoencoders.KIND:
            return autoencoders.read(folder)
        case priors.KIND:
            return priors.read(folder)
        case text_projections.KIND:
            return text_projections.read(folder)
    return unets.read(folder)


def keep_layouts(folder: _files.PathLike) -> None:
    """Keep what kernels read of the weights beside them, as large as they are, so that `load_diffusers` opens the
    folder without a copy.

    Done for U-Nets and autoencoders, in the folder and those right below it.  What is kept is for this version of the
    package, this width of registers and these files: of others it is left aside with a warning, and made anew here.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read, a place that cannot be written
    ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported
    """
    folder = _files.as_path("folder", folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder in diffusers' layout, found none")
    done = 0
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if not (place / WEIGHTS).exists():
            continue
        match read_options(place, CONFIG).get("_class_name"):
            case autoencoders.KIND:
                autoencoders.keep(place)
            case kind if kind in unets.KINDS:
                unets.keep(place)
            case _:
                continue
        done += 1
    if not done:
        raise FileNotFoundError(
            f"{folder}: expected the weights of a U-Net or an autoencoder in it or right below, found none"
        )


def save_diffusers(model: Writable, folder: _files.PathLike) -> None:
    """Write a folder that from_pretrained of diffusers' or transformers' class opens, and `load_diffusers`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is none of these, or a part that diffusers' files have no place for
    """
    if not isinstance(model, Writable):
        *names, last = (kind.__name__ for kind in get_args(Writable))
        raise ValueError(f"model: expected a {', '.join(names)} or {last}, got {type(model).__name__}")
    if isinstance(model, System):
        model.to_diffusers(folder)
    elif isinstance(model, AutoencoderKL):
        autoencoders.write(model, folder)
    elif isinstance(model, PriorTransformer):
        priors.write(model, folder)
    elif isinstance(model, TextProjection):
        text_projections.write(model, folder)
    elif isinstance(model, Encoder):
        text_encoders.write(model, folder)
    else:
        unets.write(model, folder)
