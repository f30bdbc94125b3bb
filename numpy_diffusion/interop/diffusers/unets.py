"""A U-Net's folder of diffusers, that of `UNet2DModel` or `UNet2DConditionModel`: its options and weights have
the same names here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers import layouts
from numpy_diffusion.interop.diffusers.files import WEIGHTS, check_sides, check_weights, read_network, write_network
from numpy_diffusion.models.stored import Weights
from numpy_diffusion.networks.unet.config import Config, UNetConditionConfig, UNetConfig
from numpy_diffusion.networks.unet.options import checked
from numpy_diffusion.networks.unet.program import shapes
from numpy_diffusion.networks.unet.unet import UNet

if TYPE_CHECKING:  # what needs no kernel needs no Numba
    from numpy_diffusion.kernels.unet.calls import Packing

KINDS: Final = (UNetConfig.KIND, UNetConditionConfig.KIND)


def read(folder: _files.PathLike, kinds: tuple[str, ...] = KINDS) -> UNet:
    """The network of a folder, of its config.json and diffusion_pytorch_model.safetensors.

    Weights there are float32, or float16, which becomes float32.  t is 1..T here, one more than there.

    Parameters
    ----------
    kinds : the classes of which it may be

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
    config, stored, laid_out = read_network(folder, kinds, _checked, shapes, packing=_packing)
    model = UNet.empty(**vars(config))
    model.read_from(stored, None if laid_out is None else Weights(stored, laid_out))
    return model


def keep(folder: Path) -> None:
    """Keep beside the weights what the kernels read of them; errors as for `read`, and OSError where nothing can be
    written."""
    from numpy_diffusion.networks.unet import compiled

    def lay_out() -> tuple[Packing, np.ndarray]:
        model = read(folder)
        return _packing(model.config), compiled.laid_out(model.config, model.numbers, None).laid_out

    layouts.keep(folder / WEIGHTS, lay_out)


def _packing(config: Config) -> Packing:
    from numpy_diffusion.networks.unet import compiled

    return compiled.layout_of(config).weights


def write(unet: UNet, folder: _files.PathLike) -> None:
    """Write a folder that from_pretrained of diffusers' class opens, and `read`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is no UNet; weights that are not float32 or not finite; a shift or scale, for which there is no
        place there
    """
    check_writable(unet)
    write_network(folder, unet.config.KIND, unet.options, unet.params)


def check_writable(unet: UNet) -> None:
    """ValueError where `write` would refuse the network."""
    _checks.instance("model", unet, UNet)
    if unet.shift.any() or (unet.scale != 1.0).any():
        raise ValueError("model: expected shift 0 and scale 1, as diffusers' files have no place for others")
    check_weights(unet.params)


def _checked(options: dict[str, Any]) -> Config:
    config = checked(options)
    check_sides(config.image_size)
    return config
