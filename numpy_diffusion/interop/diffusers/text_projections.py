"""A text projection's folder, that of diffusers' `UnCLIPTextProjModel`: its options and weights have the same names
here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers.files import read_network, write_network
from numpy_diffusion.networks.text_projection.config import TextProjectionConfig, shapes
from numpy_diffusion.networks.text_projection.text_projection import TextProjection

KIND: Final = "UnCLIPTextProjModel"


def read(folder: _files.PathLike) -> TextProjection:
    """The projection of a folder, of its config.json and diffusion_pytorch_model.safetensors.

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
    config, stored, _ = read_network(folder, (KIND,), _checked, shapes)
    model = TextProjection.empty(**vars(config))
    model.read_from(stored)
    return model


def write(projection: TextProjection, folder: _files.PathLike) -> None:
    """Write a folder that from_pretrained of diffusers' class opens, and `read`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is no TextProjection; weights that are not float32 or not finite
    """
    _checks.instance("model", projection, TextProjection)
    write_network(folder, KIND, projection.options, projection.params)


def _checked(options: dict[str, Any]) -> TextProjectionConfig:
    known = {name: value for name, value in options.items() if not name.startswith("_")}
    names = {field.name for field in fields(TextProjectionConfig)}
    for name in known.keys() - names:
        raise ValueError(f"{name}: expected an option of {KIND}, got one that it does not have")
    for name in ("time_embed_dim", "cross_attention_dim"):
        if name not in known:
            raise ValueError(f"{name}: expected an integer of at least 1, got none")
    return TextProjectionConfig(**known)
