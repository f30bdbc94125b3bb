"""The prior's options, with the names and defaults of diffusers' `PriorTransformer`, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters


@dataclass(frozen=True)
class PriorConfig:
    """The structure of a `PriorTransformer`, which says what each field is.

    Raises
    ------
    ValueError : a field out of its range, or a value that there is not here

    Examples
    --------
    >>> config = PriorConfig(num_attention_heads=4, attention_head_dim=16, embedding_dim=64)
    >>> config.width, config.text_dim
    (64, 64)
    >>> PriorConfig(added_emb_type=None)
    Traceback (most recent call last):
    ValueError: added_emb_type: expected 'prd', got None: the prediction is read off a token of its own
    """

    num_attention_heads: int = 32
    attention_head_dim: int = 64
    num_layers: int = 20
    embedding_dim: int = 768
    num_embeddings: int = 77
    additional_embeddings: int = 4
    dropout: float = 0.0
    time_embed_act_fn: str = "silu"
    norm_in_type: str | None = None
    embedding_proj_norm_type: str | None = None
    encoder_hid_proj_type: str | None = "linear"
    added_emb_type: str | None = "prd"
    time_embed_dim: int | None = None
    embedding_proj_dim: int | None = None
    clip_embed_dim: int | None = None

    def __post_init__(self) -> None:
        for name in SIZES:
            if name not in OPEN or getattr(self, name) is not None:
                object.__setattr__(self, name, _checks.size(name, getattr(self, name)))
        for name, (value, why) in FIXED.items():
            given: Any = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, type(value)) or given != value:
                raise ValueError(f"{name}: expected {value!r}, got {given!r:.80}: {why}")
        if self.clip_embed_dim not in (None, self.embedding_dim):
            raise ValueError(
                f"clip_embed_dim: expected embedding_dim = {self.embedding_dim} or None, got {self.clip_embed_dim}: "
                "what is predicted is what is noised"
            )

    @property
    def width(self) -> int:
        """Features of a token."""
        return self.num_attention_heads * self.attention_head_dim

    @property
    def text_dim(self) -> int:
        """Numbers of the text's embedding."""
        return self.embedding_proj_dim or self.embedding_dim


SIZES: Final = (
    *("num_attention_heads", "attention_head_dim", "num_layers", "embedding_dim", "num_embeddings"),
    *("time_embed_dim", "embedding_proj_dim", "clip_embed_dim"),
)
OPEN: Final = SIZES[-3:]  # what None leaves to the others
EXTRA: Final = 4  # tokens behind the text's states
NO_NORM: Final = "there is no norm before the blocks"
FIXED: Final[dict[str, tuple[Any, str]]] = {  # the only value that there is here, and why
    "additional_embeddings": (
        EXTRA,
        "behind the text come its embedding, the step, the noised embedding and one token",
    ),
    "dropout": (0.0, "no activation is dropped here"),
    "time_embed_act_fn": ("silu", "there is no other between the layers of the step"),
    "norm_in_type": (None, NO_NORM),
    "embedding_proj_norm_type": (None, NO_NORM),
    "encoder_hid_proj_type": ("linear", "the text's states are always told"),
    "added_emb_type": ("prd", "the prediction is read off a token of its own"),
}
PLACES, ASKED = "positional_embedding", "prd_embedding"


def block_name(number: int) -> str:
    """What the names of a block's parameters begin with."""
    return f"transformer_blocks.{number}"


def shapes(config: PriorConfig) -> parameters.Shapes:
    """The parameters by the names of diffusers' `PriorTransformer`.

    Its clip_mean and clip_std, which nothing learns, are the network's `shift` and `scale` here.

    Examples
    --------
    >>> found = shapes(PriorConfig(num_layers=1))
    >>> len(found), found["transformer_blocks.0.ff.net.0.proj.weight"]
    (32, (8192, 2048))
    """
    W, D = config.width, config.embedding_dim
    E = config.time_embed_dim or W
    linear = {
        "time_embedding.linear_1": (E, W),
        "time_embedding.linear_2": (W, E),
        "proj_in": (W, D),
        "embedding_proj": (W, config.text_dim),
        "encoder_hidden_states_proj": (W, D),
    }
    norms = []
    for start in map(block_name, range(config.num_layers)):
        norms += [f"{start}.norm1", f"{start}.norm3"]
        linear |= {f"{start}.attn1.{part}": (W, W) for part in ("to_q", "to_k", "to_v", "to_out.0")}
        linear |= {f"{start}.ff.net.0.proj": (4 * W, W), f"{start}.ff.net.2": (W, 4 * W)}
    linear["proj_to_clip_embeddings"] = (D, W)
    found: parameters.Shapes = {
        PLACES: (1, config.num_embeddings + EXTRA, W),
        ASKED: (1, 1, W),
    }
    for name, shape in linear.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in (*norms, "norm_out"):
        found |= {f"{name}.weight": (W,), f"{name}.bias": (W,)}
    return found
