"""MLPs whose weights are all drawn, points for them, and their sizes as hypothesis draws them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from numpy_diffusion.networks.mlp.mlp import MLP

EMBEDDING = st.integers(1, 4).map(lambda half: 2 * half)


def network(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, dtype: Any = np.float64
) -> MLP:
    """All weights and biases drawn, the output's too, so that no gradient and no output is zero; 0 to 3 octaves."""
    model = MLP(dim, width, depth, embedding=embedding, octaves=seed % 4, residual=residual, dtype=dtype)
    rng = np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(values.shape[-1])
    return model


def points(seed: int, N: int, dim: int, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    return rng.normal(size=(N, dim)).astype(dtype), rng.integers(1, 1001, N)


def shapes(most: int, widest: int) -> dict[str, st.SearchStrategy]:
    return dict(
        seed=st.integers(0, 10_000),
        dim=st.integers(1, 5),
        width=st.integers(1, widest),
        depth=st.integers(0, 4),
        embedding=EMBEDDING,
        residual=st.booleans(),
        N=st.integers(1, most),
    )


# --- the MLP's kernel ------------------------------------------------------------------------------------------


def contracting(seed: int, dim: int, width: int, depth: int, residual: bool) -> MLP:
    """An MLP with eps = x + a little of what its random weights make of (x, t): no chain of it can blow up.

    The identity goes through two features a coordinate, since silu(x) - silu(-x) = x.
    """
    model = MLP(dim, width, depth, embedding=8, residual=residual, seed=seed)
    rng, pair = np.random.default_rng(seed), np.concatenate([np.eye(dim), -np.eye(dim)])
    for name, values in model.params.items():
        if "bias" in name:
            values[:] = 0.1 * rng.normal(size=values.shape)
        if "output" not in name:
            values[: 2 * dim] = 0.0
        if "hidden" in name and "weight" in name and not residual:
            values[: 2 * dim, : 2 * dim] = pair @ pair.T
    model.params["input.weight"][: 2 * dim, :dim] = pair
    model.params["output.weight"][:] = 0.1 * rng.normal(size=(dim, width)) / math.sqrt(width)
    model.params["output.weight"][:, : 2 * dim] = pair.T
    return model
