"""A row of numbers that are learned for each token, and one for each place, added (Vaswani et al. 2017, sections 3.4
and 3.5; the places' are learned as in Radford et al. 2021)."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import class_embedding

Cache = tuple[class_embedding.Cache, np.ndarray]


def forward(ids: np.ndarray, tokens: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [N, L, D] from ids [N, L], ints in 0..V - 1, tokens [V, D] and places [P, D], of which the first L count."""
    y, cache = class_embedding.forward(ids, tokens)
    return y + places[: ids.shape[1]], (cache, places)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray]:
    """dtokens [V, D] and dplaces [P, D] from dy [N, L, D]."""
    token_cache, places = cache
    dplaces = np.zeros_like(places)
    dplaces[: dy.shape[1]] = dy.sum(axis=0)
    return class_embedding.backward(dy, token_cache), dplaces
