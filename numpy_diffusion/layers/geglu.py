"""GEGLU (Shazeer 2020, arXiv 2002.05202): y = h gelu(g), h the first half of the last axis and g the second."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import gelu

Cache = tuple[np.ndarray, np.ndarray, gelu.Cache]


def forward(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [..., C] from x [..., 2 C]."""
    h, gate = np.split(x, 2, axis=-1)
    opened, cache = gelu.forward(gate)
    return h * opened, (h, opened, cache)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx [..., 2 C] from dy [..., C]."""
    h, opened, gelu_cache = cache
    return np.concatenate([dy * opened, gelu.backward(dy * h, gelu_cache)], axis=-1)
