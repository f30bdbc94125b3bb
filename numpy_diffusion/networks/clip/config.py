"""The text encoder's options, with the names and defaults of transformers' `CLIPTextConfig`, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy_diffusion import _checks
from numpy_diffusion.layers.encoder_layer import Activation
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import encoder


@dataclass(frozen=True)
class CLIPTextConfig:
    """The structure of a `CLIPText`, which says what each field is.

    Raises
    ------
    ValueError : a field out of its range, heads that do not divide hidden_size

    Examples
    --------
    >>> CLIPTextConfig(hidden_size=64, num_attention_heads=4).intermediate_size
    2048
    >>> CLIPTextConfig(hidden_size=64, num_attention_heads=5)
    Traceback (most recent call last):
    ValueError: num_attention_heads: expected a divisor of hidden_size 64, got 5
    """

    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: Activation = "quick_gelu"
    layer_norm_eps: float = 1e-5
    eos_token_id: int = 49407

    def __post_init__(self) -> None:
        encoder.check_config(self, SIZES)
        object.__setattr__(self, "eos_token_id", _checks.integer("eos_token_id", self.eos_token_id, 0))


@dataclass(frozen=True)
class CLIPTextProjectionConfig(CLIPTextConfig):
    """The structure of a `CLIPTextWithProjection`: that of a `CLIPText`, and the numbers of an embedding."""

    projection_dim: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "projection_dim", _checks.integer("projection_dim", self.projection_dim, 1))


SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
MODEL: Final = "text_model"
TOKENS, PLACES = "text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight"
FINAL, PROJECTION = "text_model.final_layer_norm", "text_projection.weight"


def shapes(config: CLIPTextConfig) -> parameters.Shapes:
    """The parameters by the names of transformers' `CLIPTextModel`, or `CLIPTextModelWithProjection`.

    Examples
    --------
    >>> found = shapes(CLIPTextConfig(num_hidden_layers=1))
    >>> len(found), found["text_model.encoder.layers.0.mlp.fc1.weight"]
    (20, (2048, 512))
    """
    D = config.hidden_size
    found: parameters.Shapes = {TOKENS: (config.vocab_size, D), PLACES: (config.max_position_embeddings, D)}
    found |= encoder.shapes(config, MODEL) | encoder.norm(FINAL, D)
    if isinstance(config, CLIPTextProjectionConfig):
        found[PROJECTION] = (config.projection_dim, D)
    return found
