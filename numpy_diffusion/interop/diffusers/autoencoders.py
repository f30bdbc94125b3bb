"""An autoencoder's folder of diffusers, that of `AutoencoderKL`: its options and weights have the same names here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import layouts
from numpy_diffusion.interop.diffusers.files import WEIGHTS, check_sides, read_network, write_network
from numpy_diffusion.models.stored import Weights
from numpy_diffusion.networks.autoencoder.autoencoder import AutoencoderKL
from numpy_diffusion.networks.autoencoder.config import AutoencoderConfig, checked
from numpy_diffusion.networks.autoencoder.program import shapes

if TYPE_CHECKING:  # what needs no kernel needs no Numba
    from numpy_diffusion.kernels.unet.calls import Packing

KIND: Final = AutoencoderConfig.KIND


def read(folder: _files.PathLike) -> AutoencoderKL:
    """The autoencoder of a folder, of its config.json and diffusion_pytorch_model.safetensors.

    Weights there are float32, or float16, which becomes float32.

    Raises
    ------
    OSError : a folder or file that is missing or cannot be read
    ValueError : a file that is foreign, cut, altered or hostile, or an option that is not supported

    Examples
    --------
    >>> read("no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no/such/folder: expected a folder in diffusers' layout, found no such folder
    """
    config, stored, laid_out = read_network(folder, (KIND,), _checked, shapes, packing=_packing)
    autoencoder = AutoencoderKL.empty(**vars(config))
    autoencoder.read_from(stored, None if laid_out is None else Weights(stored, laid_out))
    return autoencoder


def keep(folder: Path) -> None:
    """Keep beside the weights what the kernels read of them; errors as for `read`, and OSError where nothing can be
    written."""
    from numpy_diffusion.networks.autoencoder import compiled

    def lay_out() -> tuple[Packing, np.ndarray]:
        model = read(folder)
        return _packing(model.config), compiled.laid_out(model.config, model.numbers, None).laid_out

    layouts.keep(folder / WEIGHTS, lay_out)


def _packing(config: AutoencoderConfig) -> Packing:
    from numpy_diffusion.networks.autoencoder import compiled

    return compiled.layout_of(config).weights


def write(autoencoder: AutoencoderKL, folder: _files.PathLike) -> None:
    """Write a folder that from_pretrained of diffusers' class opens, and `read`; its scaling factor is the measured.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is no AutoencoderKL; weights that are not float32 or not finite
    """
    _checks.instance("model", autoencoder, AutoencoderKL)
    options = autoencoder.options | {"scaling_factor": autoencoder.scaling_factor}
    write_network(folder, KIND, options, autoencoder.params)


def _checked(options: dict[str, Any]) -> AutoencoderConfig:
    config = checked(options)
    check_sides(config.image_size)
    return config
