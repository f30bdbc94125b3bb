"""Scaled dot-product attention with heads (Vaswani et al. 2017, equation 1): o = softmax(q k^T / sqrt(d)) v, where
each head has its own d = C / heads channels.
"""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def forward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int, mask: np.ndarray | None = None
) -> tuple[np.ndarray, Cache]:
    """o [N, L, C] from q [N, L, C] and k, v [N, M, C].

    mask : bool, [N, L, M] or what broadcasts to it: whether a query may see a key.  A query that may see none gets
        zeros.
    """
    q, k, v = (_split(part, heads) for part in (q, k, v))
    scores = q @ k.swapaxes(2, 3) * _scale(q)
    if mask is not None:
        scores = np.where(mask[:, None], scores, -np.inf)
    lowest = np.finfo(scores.dtype).min  # the largest of no scores
    weights = np.exp(scores - scores.max(axis=3, keepdims=True, initial=lowest))  # 1 at the most: nothing overflows
    weights /= np.maximum(weights.sum(axis=3, keepdims=True), 1)  # the largest is 1, so that a sum below is of none
    return _joined(weights @ v), (q, k, v, weights)


def causal(L: int) -> np.ndarray:
    """The mask [1, L, L] by which a query sees its own key and those before."""
    return np.tri(L, dtype=bool)[None]


def backward(do: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dq [N, L, C] and dk, dv [N, M, C] from do [N, L, C]."""
    q, k, v, weights = cache
    do = _split(do, q.shape[1])
    dweights = do @ v.swapaxes(2, 3)
    # The softmax's gradient: each row of weights keeps its sum of 1.
    dscores = weights * (dweights - (dweights * weights).sum(axis=3, keepdims=True)) * _scale(q)
    return _joined(dscores @ k), _joined(dscores.swapaxes(2, 3) @ q), _joined(weights.swapaxes(2, 3) @ do)


def _split(x: np.ndarray, heads: int) -> np.ndarray:
    """[N, heads, L, d] from [N, L, C]."""
    N, L, C = x.shape
    return x.reshape(N, L, heads, C // heads).swapaxes(1, 2)


def _joined(x: np.ndarray) -> np.ndarray:
    """[N, L, C] from [N, heads, L, d]."""
    N, heads, L, d = x.shape
    return x.swapaxes(1, 2).reshape(N, L, heads * d)


def _scale(q: np.ndarray) -> np.floating:
    """1 / sqrt(d), in q's dtype."""
    return q.dtype.type(q.shape[3] ** -0.5)
