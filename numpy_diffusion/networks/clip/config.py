"""The text encoder's options, with the names and defaults of transformers' `CLIPTextConfig`, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from numpy_diffusion import _checks
from numpy_diffusion.layers.encoder_layer import Activation
from numpy_diffusion.models import parameters


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
        for name in SIZES:
            object.__setattr__(self, name, _checks.integer(name, getattr(self, name), 1))
        object.__setattr__(self, "eos_token_id", _checks.integer("eos_token_id", self.eos_token_id, 0))
        object.__setattr__(self, "layer_norm_eps", _checks.real("layer_norm_eps", self.layer_norm_eps, 0.0))
        _checks.choice("hidden_act", self.hidden_act, get_args(Activation))
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"num_attention_heads: expected a divisor of hidden_size {self.hidden_size}, "
                f"got {self.num_attention_heads}"
            )


SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)
TOKENS, PLACES = "text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight"
FINAL = "text_model.final_layer_norm"


def layer_name(number: int) -> str:
    """What the names of a layer's parameters begin with."""
    return f"text_model.encoder.layers.{number}"


def shapes(config: CLIPTextConfig) -> parameters.Shapes:
    """The parameters by the names of transformers' `CLIPTextModel`.

    Examples
    --------
    >>> found = shapes(CLIPTextConfig(num_hidden_layers=1))
    >>> len(found), found["text_model.encoder.layers.0.mlp.fc1.weight"]
    (20, (2048, 512))
    """
    D, J = config.hidden_size, config.intermediate_size
    linear = {f"self_attn.{part}_proj": (D, D) for part in ("q", "k", "v", "out")}
    linear |= {"mlp.fc1": (J, D), "mlp.fc2": (D, J)}
    found: parameters.Shapes = {TOKENS: (config.vocab_size, D), PLACES: (config.max_position_embeddings, D)}
    for start in map(layer_name, range(config.num_hidden_layers)):
        for name, shape in linear.items():
            found |= {f"{start}.{name}.weight": shape, f"{start}.{name}.bias": shape[:1]}
        for name in ("layer_norm1", "layer_norm2"):
            found |= {f"{start}.{name}.weight": (D,), f"{start}.{name}.bias": (D,)}
    return found | {f"{FINAL}.weight": (D,), f"{FINAL}.bias": (D,)}
