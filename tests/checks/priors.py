"""Small priors, and what they are told."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks.prior.prior import PriorTransformer

OPTIONS: dict[str, Any] = dict(
    num_attention_heads=2,
    attention_head_dim=3,
    num_layers=2,
    embedding_dim=4,
    num_embeddings=5,
    time_embed_dim=7,
    embedding_proj_dim=3,
)
N, LENGTHS = 3, (2, 4, 1)


def prior(dtype: Any = np.float32, **more: Any) -> PriorTransformer:
    """A prior none of whose biases is 0 and none of whose norms' weights is 1."""
    made = PriorTransformer(dtype=dtype, **OPTIONS | more)
    made.buffer += 0.3 * np.random.default_rng(0).normal(size=made.buffer.size).astype(dtype)
    return made


def texts(n: int = N, length: int = 4) -> Condition:
    """Texts of different lengths."""
    rng = np.random.default_rng(1)
    mask = np.arange(length) < np.resize(LENGTHS, n)[:, None]
    return Condition(embedding=rng.normal(size=(n, 3)), states=rng.normal(size=(n, length, 4)), mask=mask)


def noised(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """z_t and t."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(n, 4)).astype(np.float32), rng.integers(1, 21, n)
