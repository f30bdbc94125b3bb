"""CLIP's loss (Radford et al. 2021, Figure 3): of N images and N texts, which belong together.

    u_i = image_i / |image_i|,   w_j = text_j / |text_j|
    logits = exp(s) u w^T                                     [N, N], s learned, exp(s) at most 100
    loss_n = (cross_entropy(row n) + cross_entropy(column n)) / 2,   where n is the right answer to n

The logarithm of a softmax is taken of differences to the largest, so that no logit is too large for it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from numpy_diffusion.layers import unit_length

LARGEST: Final = math.log(100.0)  # of s (section 2.5)
FIRST: Final = math.log(1.0 / 0.07)  # s before training


class Cache(NamedTuple):
    u: unit_length.Cache
    w: unit_length.Cache
    scale: np.ndarray
    log_rows: np.ndarray
    log_columns: np.ndarray


def forward(images: np.ndarray, texts: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, Cache]:
    """The losses [N] from the embeddings of images and texts, [N, D] each, and s []."""
    (u, u_cache), (w, w_cache) = unit_length.forward(images), unit_length.forward(texts)
    scale = np.exp(np.minimum(s, LARGEST))
    logits = scale * (u @ w.T)
    log_rows, log_columns = log_softmax(logits, axis=1), log_softmax(logits, axis=0)
    losses = -(np.diagonal(log_rows) + np.diagonal(log_columns)) / 2.0
    return losses, Cache(u_cache, w_cache, scale, log_rows, log_columns)


def backward(cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of the mean of the losses: dimages, dtexts [N, D], ds [].

    That of a cross-entropy by its logits is the softmax less 1 at the right answer.  That by s is of exp(s) where it
    stands at its largest, too: from there it can go down again.
    """
    (u, _), (w, _), N = cache.u, cache.w, len(cache.log_rows)
    dlogits = (np.exp(cache.log_rows) + np.exp(cache.log_columns)) / 2.0 - np.eye(N, dtype=u.dtype)
    dproducts = cache.scale * dlogits / N
    dimages = unit_length.backward(dproducts @ w, cache.u)
    dtexts = unit_length.backward(dproducts.T @ u, cache.w)
    return dimages, dtexts, (dproducts * (u @ w.T)).sum()


def log_softmax(logits: np.ndarray, axis: int) -> np.ndarray:
    """log(exp(logits) / sum of exp(logits) along the axis).

    Examples
    --------
    >>> log_softmax(np.array([1000.0, 1000.0, -1000.0]), axis=0).round(4).tolist()
    [-0.6931, -0.6931, -2000.6931]
    """
    below = logits - logits.max(axis=axis, keepdims=True)
    return below - np.log(np.exp(below).sum(axis=axis, keepdims=True))
