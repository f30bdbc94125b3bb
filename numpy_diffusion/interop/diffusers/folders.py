"""Whatever a folder of diffusers holds: a pipeline, a network, or a scheduler."""

from __future__ import annotations

from numpy_diffusion import _files
from numpy_diffusion.interop.diffusers import autoencoders, pipelines, schedulers, unets
from numpy_diffusion.interop.diffusers.files import CONFIG, read_json
from numpy_diffusion.interop.diffusers.pipelines import Pipeline
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule


def load_diffusers(folder: _files.PathLike) -> Pipeline | UNet | AutoencoderKL | Schedule:
    """What is in the folder: a `Pipeline` of network and chain, a `UNet`, an `AutoencoderKL`, or a scheduler's
    `Schedule`.

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
    if not (folder / pipelines.INDEX).exists():
        if (folder / CONFIG).exists():
            kind = read_json(folder, CONFIG, (*unets.KINDS, autoencoders.KIND))["_class_name"]
            return autoencoders.read(folder) if kind == autoencoders.KIND else unets.read(folder)
        if (folder / schedulers.FILE).exists():
            return schedulers.read_schedule(folder)
    return Pipeline.from_diffusers(folder)


def save_diffusers(model: UNet | AutoencoderKL | Pipeline, folder: _files.PathLike) -> None:
    """Write a folder that diffusers' from_pretrained opens, and `load_diffusers`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is no UNet, AutoencoderKL or Pipeline, or a part that diffusers' files have no place for
    """
    if isinstance(model, Pipeline):
        model.to_diffusers(folder)
    elif isinstance(model, AutoencoderKL):
        autoencoders.write(model, folder)
    else:
        unets.write(model, folder)
