"""Tokens in their places: a row of numbers learned for each word of a vocabulary, plus one for each position."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import class_embedding

Cache = tuple[class_embedding.Cache, np.ndarray]


def forward(ids: np.ndarray, token: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [N, L, D] from ids [N, L], ints in 0..K - 1, token [K, D] and position [P, D], P at least L."""
    rows, cache = class_embedding.forward(ids, token)
    return rows + position[: ids.shape[1]], (cache, position)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray]:
    """dtoken [K, D], dposition [P, D] from dy [N, L, D]."""
    rows, position = cache
    dposition = np.zeros_like(position)
    dposition[: dy.shape[1]] = dy.sum(axis=0)
    return class_embedding.backward(dy, rows), dposition
