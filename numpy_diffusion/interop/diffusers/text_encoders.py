"""The folders of CLIP's encoders, which are transformers': options and weights have the same names here.

CLIPTextModel                        a `CLIPText`
CLIPTextModelWithProjection          a `CLIPTextWithProjection`
CLIPVisionModelWithProjection        a `CLIPVisionWithProjection`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from numpy_diffusion import _files
from numpy_diffusion.interop.diffusers.files import (
    CONFIG,
    TRANSFORMERS_LIBRARY,
    check_sides,
    read_network,
    read_options,
    write_network,
)
from numpy_diffusion.models.parameters import Shapes
from numpy_diffusion.networks.clip import config as text_config
from numpy_diffusion.networks.clip import vision_config
from numpy_diffusion.networks.clip.clip_text import CLIPText
from numpy_diffusion.networks.clip.clip_text_projection import CLIPTextWithProjection
from numpy_diffusion.networks.clip.clip_vision import CLIPVisionWithProjection

KIND: Final = "CLIPTextModel"
WITH_PROJECTION: Final = "CLIPTextModelWithProjection"

Encoder = CLIPText | CLIPTextWithProjection | CLIPVisionWithProjection
Class = TypeVar("Class", CLIPText, CLIPTextWithProjection, CLIPVisionWithProjection)


class Form(NamedTuple):
    """What a class of theirs is here.

    model_type : what transformers knows its options by
    shapes : of the parameters, by its configuration
    places : of its configuration
    """

    network: type[Any]
    config: type[Any]
    model_type: str
    shapes: Callable[[Any], Shapes]
    places: Callable[[Any], int]

    @property
    def numbers(self) -> str:
        """The tensor 0, 1, 2 and so on, one for each place, which older versions wrote."""
        return f"{self.model_type.removeprefix('clip_')}.embeddings.position_ids"


_TEXT = "clip_text_model", text_config.shapes, lambda config: config.max_position_embeddings
_VISION = "clip_vision_model", vision_config.shapes, lambda config: config.places
FORMS: Final = {
    KIND: Form(CLIPText, text_config.CLIPTextConfig, *_TEXT),
    WITH_PROJECTION: Form(CLIPTextWithProjection, text_config.CLIPTextProjectionConfig, *_TEXT),
    "CLIPVisionModelWithProjection": Form(CLIPVisionWithProjection, vision_config.CLIPVisionConfig, *_VISION),
}


def holds(folder: Path) -> bool:
    """Whether config.json is one of transformers, which has a list of classes where diffusers has a name."""
    return "architectures" in read_options(folder, CONFIG)


def read(folder: _files.PathLike) -> CLIPText:
    """The text encoder of a folder, of its config.json and model.safetensors.

    Weights there are float32, or float16, which becomes float32.  Of the options those count that are the encoder's
    own: transformers writes many more, which change nothing of what it answers.

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
    return read_as(folder, CLIPText)


def read_as(folder: _files.PathLike, network: type[Class]) -> Class:
    """The encoder of a folder, which must be of this class; all else as for `read`."""
    found: Class = _read(folder, _kind(network))
    return found


def read_any(folder: _files.PathLike) -> Encoder:
    """The encoder of a folder, of whichever class it is; all else as for `read`."""
    found: Encoder = _read(folder, *FORMS)
    return found


def write(encoder: Encoder, folder: _files.PathLike) -> None:
    """Write a folder that from_pretrained of transformers' class opens, and `read_any`.

    Raises
    ------
    OSError : a place that cannot be written
    ValueError : what is none of these encoders; weights that are not float32 or not finite
    """
    if not isinstance(encoder, Encoder):
        raise ValueError(f"model: expected an encoder of CLIP, got {type(encoder).__name__}")
    kind = _kind(type(encoder))
    options = {"model_type": FORMS[kind].model_type, **encoder.options}
    write_network(folder, kind, options, encoder.params, TRANSFORMERS_LIBRARY)


def _read(folder: _files.PathLike, *kinds: str) -> Any:
    shapes = lambda config: _form(config).shapes(config)  # noqa: E731
    config, stored, _ = read_network(folder, kinds, _checked, shapes, TRANSFORMERS_LIBRARY, _left_out)
    model = _form(config).network.empty(**vars(config))
    model.read_from(stored)
    return model


def _kind(network: type[Any]) -> str:
    """What a class is called there."""
    return next(kind for kind, form in FORMS.items() if form.network is network)


def _form(config: Any) -> Form:
    return next(form for form in FORMS.values() if form.config is type(config))


def _checked(options: dict[str, Any]) -> Any:
    named = options["architectures"]
    kind = FORMS[named if isinstance(named, str) else named[0]].config
    config = kind(**{field.name: options[field.name] for field in fields(kind) if field.name in options})
    if isinstance(config, vision_config.CLIPVisionConfig):
        check_sides([config.image_size])
    return config


def _left_out(config: Any) -> Shapes:
    form = _form(config)
    return {form.numbers: (1, form.places(config))}
