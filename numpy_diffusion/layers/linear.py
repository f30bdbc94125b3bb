"""The linear layer, y = x W^T + b."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [N, J] from x [N, K], weight [J, K], bias [J]."""
    return x @ weight.T + bias, (x, weight)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [N, K], dweight [J, K], dbias [J] from dy [N, J]."""
    x, weight = cache
    return dy @ weight, dy.T @ x, dy.sum(axis=0)


def jvp(dx: np.ndarray, cache: Cache) -> np.ndarray:
    """dy [..., N, J] along the tangent dx [..., N, K], the parameters held."""
    return dx @ cache[1].T
