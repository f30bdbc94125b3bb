"""Small text encoders."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.networks.clip.clip_text import CLIPText

OPTIONS: dict[str, Any] = dict(
    vocab_size=7,
    hidden_size=4,
    intermediate_size=5,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=5,
    eos_token_id=6,
)
IDS = np.array([[5, 1, 6, 6], [5, 0, 1, 6], [5, 6, 3, 1]])
ENDS = [2, 3, 1]


def encoder(dtype: Any = np.float32, **more: Any) -> CLIPText:
    """A text encoder none of whose biases is 0 and none of whose norms' weights is 1."""
    made = CLIPText(dtype=dtype, **OPTIONS | more)
    made.buffer += 0.3 * np.random.default_rng(0).normal(size=made.buffer.size).astype(dtype)
    return made
