"""Rows of length 1, y = x / |x|."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]


def forward(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [..., D] from x [..., D], no row of which is 0."""
    length = np.sqrt((x**2).sum(axis=-1, keepdims=True))
    y = x / length
    return y, (y, length)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx from dy: the part of dy along y changes no direction."""
    y, length = cache
    return (dy - y * (dy * y).sum(axis=-1, keepdims=True)) / length
