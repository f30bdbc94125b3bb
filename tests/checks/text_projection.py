"""A small text projection, and what it is given of three samples, of one no picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.networks.text_projection.text_projection import TextProjection

OPTIONS: dict[str, Any] = dict(
    clip_extra_context_tokens=2, clip_embeddings_dim=5, time_embed_dim=7, cross_attention_dim=4
)


def projection(dtype: Any = np.float32, **more: Any) -> TextProjection:
    """A projection none of whose parameters is 0 or 1."""
    made = TextProjection(dtype=dtype, **OPTIONS | more)
    made.buffer += 0.3 * np.random.default_rng(0).normal(size=made.buffer.size).astype(dtype)
    return made


def given(dtype: Any = np.float32, size: int = 5) -> dict[str, np.ndarray]:
    """image, text [3, D] and states [3, 4, D]."""
    rng = np.random.default_rng(1)
    shapes = {"image": (3, size), "text": (3, size), "states": (3, 4, size)}
    found = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    found["image"][1] = 0.0
    return found
