"""A text encoder's folder, that of transformers' `CLIPTextModel`: options and weights have the same names here."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from numpy_diffusion import _checks, _files
from numpy_diffusion.interop.diffusers.files import (
    CONFIG,
    TRANSFORMERS_LIBRARY,
    Shapes,
    read_network,
    read_options,
    write_network,
)
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.config import CLIPTextConfig, shapes

KIND: Final = "CLIPTextModel"
MODEL_TYPE: Final = "clip_text_model"  # what transformers knows its options by
NUMBERS: Final = "text_model.embeddings.position_ids"  # 0, 1, 2 and so on, which older versions wrote


def holds(folder: Path) -> bool:
    """Whether config.json is one of transformers, which has a list of classes where diffusers has a name."""
    return "architectures" in read_options(folder, CONFIG)


def read(folder: _files.PathLike) -> CLIPText:
    """The text encoder of a folder, of its config.json and model.safetensors.

    Weights there are float32, or float16, which becomes float32.  Of the options those count that are `CLIPText`'s:
    transformers writes many more, which change nothing of what the encoder answers.

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
    config, tensors = read_network(folder, (KIND,), _checked, shapes, TRANSFORMERS_LIBRARY, _left_out)
    model = CLIPText(**vars(config))
    model.fill(tensors)
    return model


def write(encoder: CLIPText, folder: _files.PathLike) -> None:
    """Write a folder that transformers' CLIPTextModel.from_pretrained opens, and `read`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is no CLIPText; weights that are not float32 or not finite
    """
    _checks.instance("model", encoder, CLIPText)
    options = {"model_type": MODEL_TYPE, **encoder.options}
    write_network(folder, KIND, options, encoder.params, TRANSFORMERS_LIBRARY)


def _checked(options: dict[str, Any]) -> CLIPTextConfig:
    return CLIPTextConfig(
        **{field.name: options[field.name] for field in fields(CLIPTextConfig) if field.name in options}
    )


def _left_out(config: CLIPTextConfig) -> Shapes:
    return {NUMBERS: (1, config.max_position_embeddings)}
