"""Layer norm (Ba et al. 2016, arXiv 1607.06450): y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and
variance over the last axis."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray, np.ndarray]


def forward(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> tuple[np.ndarray, Cache]:
    """y [..., C] from x [..., C], weight [C], bias [C]."""
    centred = x - x.mean(axis=-1, keepdims=True)
    inverse = 1.0 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + x.dtype.type(eps))
    normed = centred * inverse
    return normed * weight + bias, (normed, inverse, weight)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [..., C], dweight [C], dbias [C] from dy [..., C]."""
    normed, inverse, weight = cache
    g = dy * weight
    along = (g * normed).mean(axis=-1, keepdims=True)
    dx = (g - g.mean(axis=-1, keepdims=True) - normed * along) * inverse
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * normed).sum(axis=rows), dy.sum(axis=rows)
