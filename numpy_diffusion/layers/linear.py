"""The linear layer, y = x W^T + b."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, Cache]:
    """y [..., J] from x [..., K], weight [J, K], bias [J]; None is a bias of zeros, which is not learned."""
    y = _rows(x) @ weight.T
    if bias is not None:
        y = y + bias
    return y.reshape(*x.shape[:-1], len(weight)), (x, weight)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [..., K], dweight [J, K], dbias [J] from dy [..., J]."""
    x, weight = cache
    rows = _rows(dy)
    return (rows @ weight).reshape(x.shape), rows.T @ _rows(x), rows.sum(axis=0)


def jvp(dx: np.ndarray, cache: Cache) -> np.ndarray:
    """dy [..., N, J] along the tangent dx [..., N, K], the parameters held."""
    return dx @ cache[1].T


def _rows(x: np.ndarray) -> np.ndarray:
    """[M, K] from [..., K], one large product for many small ones."""
    return x.reshape(-1, x.shape[-1])
