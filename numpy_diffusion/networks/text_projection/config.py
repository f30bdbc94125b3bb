"""The projection's options, with the names and defaults of diffusers' `UnCLIPTextProjModel`, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters

LEARNED: Final = "learned_classifier_free_guidance_embeddings"  # what stands for an image that is left out
TEXT_TO_TIME: Final = "embedding_proj"
IMAGE_TO_TIME: Final = "clip_image_embeddings_project_to_time_embeddings"
IMAGE_TO_TOKENS: Final = "clip_extra_context_tokens_proj"
STATES: Final = "encoder_hidden_states_proj"
STATES_NORM: Final = "text_encoder_hidden_states_norm"


@dataclass(frozen=True, kw_only=True)
class TextProjectionConfig:
    """The structure of a `TextProjection`, which says what each field is.

    Raises
    ------
    ValueError : a field that is no integer of at least 1

    Examples
    --------
    >>> TextProjectionConfig(time_embed_dim=128, cross_attention_dim=0)
    Traceback (most recent call last):
    ValueError: cross_attention_dim: expected an integer of at least 1, got 0
    """

    clip_extra_context_tokens: int = 4
    clip_embeddings_dim: int = 768
    time_embed_dim: int
    cross_attention_dim: int

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            object.__setattr__(self, name, _checks.integer(name, getattr(self, name), 1))


def shapes(config: TextProjectionConfig) -> parameters.Shapes:
    """The parameters by the names of diffusers' state dict.

    Examples
    --------
    >>> found = shapes(TextProjectionConfig(time_embed_dim=128, cross_attention_dim=64))
    >>> found["clip_extra_context_tokens_proj.weight"], len(found)
    ((256, 768), 11)
    """
    D, E, C = config.clip_embeddings_dim, config.time_embed_dim, config.cross_attention_dim
    layers = {TEXT_TO_TIME: (E, D), IMAGE_TO_TIME: (E, D), IMAGE_TO_TOKENS: (config.clip_extra_context_tokens * C, D)}
    found: parameters.Shapes = {LEARNED: (D,)}
    for name, weight in (layers | {STATES: (C, D), STATES_NORM: (C,)}).items():
        found |= {f"{name}.weight": weight, f"{name}.bias": weight[:1]}
    return found
