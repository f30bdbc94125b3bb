"""The linear layer, y = x W^T + b."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [..., J] from x [..., K], weight [J, K], bias [J]."""
    return x @ weight.T + bias, (x, weight)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [..., K], dweight [J, K], dbias [J] from dy [..., J]."""
    x, weight = cache
    rows = dy.reshape(-1, dy.shape[-1])
    return dy @ weight, rows.T @ x.reshape(len(rows), -1), rows.sum(axis=0)


def jvp(dx: np.ndarray, cache: Cache) -> np.ndarray:
    """dy [..., N, J] along the tangent dx [..., N, K], the parameters held."""
    return dx @ cache[1].T
