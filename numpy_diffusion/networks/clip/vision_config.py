"""The image encoder's options, with names and defaults of transformers' `CLIPVisionConfig`, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy_diffusion.layers.encoder_layer import Activation
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import encoder


@dataclass(frozen=True)
class CLIPVisionConfig:
    """The structure of a `CLIPVisionWithProjection`, which says what each field is.

    Raises
    ------
    ValueError : a field out of its range, heads that do not divide hidden_size, a patch larger than the image

    Examples
    --------
    >>> CLIPVisionConfig().places
    50
    >>> CLIPVisionConfig(image_size=32, patch_size=5)
    Traceback (most recent call last):
    ValueError: patch_size: expected a divisor of image_size 32, got 5
    """

    hidden_size: int = 768
    intermediate_size: int = 3072
    projection_dim: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 32
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        encoder.check_config(self, SIZES)
        if self.image_size % self.patch_size:
            raise ValueError(f"patch_size: expected a divisor of image_size {self.image_size}, got {self.patch_size}")

    @property
    def places(self) -> int:
        """Of the sequence: one for each patch, and the class token's before them."""
        return 1 + (self.image_size // self.patch_size) ** 2


SIZES = (
    "hidden_size",
    "intermediate_size",
    "projection_dim",
    "num_hidden_layers",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
)
MODEL: Final = "vision_model"
CLASS, PATCH = "vision_model.embeddings.class_embedding", "vision_model.embeddings.patch_embedding.weight"
PLACES = "vision_model.embeddings.position_embedding.weight"
BEFORE, AFTER = "vision_model.pre_layrnorm", "vision_model.post_layernorm"  # the first is spelt so in all files
PROJECTION = "visual_projection.weight"


def shapes(config: CLIPVisionConfig) -> parameters.Shapes:
    """The parameters by the names of transformers' `CLIPVisionModelWithProjection`.

    Examples
    --------
    >>> found = shapes(CLIPVisionConfig(num_hidden_layers=1))
    >>> len(found), found["vision_model.embeddings.patch_embedding.weight"]
    (24, (768, 3, 32, 32))
    """
    D, P = config.hidden_size, config.patch_size
    found: parameters.Shapes = {CLASS: (D,), PATCH: (D, config.num_channels, P, P), PLACES: (config.places, D)}
    found |= encoder.norm(BEFORE, D) | encoder.shapes(config, MODEL) | encoder.norm(AFTER, D)
    return found | {PROJECTION: (config.projection_dim, D)}
