"""Coordinates beside their sines and cosines in octaves (Mildenhall et al. 2020, eq 4; Tancik et al. 2020).

A network of plain coordinates learns smooth functions first and fine detail hardly at all; waves of every length that
matters stand for both alike.
"""

from __future__ import annotations

import numpy as np

PERIOD = 8.0  # of the longest wave: standardised data lies in -4..4

Cache = tuple[np.ndarray, np.ndarray, int]


def forward(x: np.ndarray, octaves: int) -> tuple[np.ndarray, Cache]:
    """[x, sin(w_0 x), cos(w_0 x), sin(w_1 x), ...] [N, D (1 + 2 octaves)] from x [N, D]: w_k = 2 pi 2^k / PERIOD."""
    angle = x[:, None, :] * frequencies(octaves, x.dtype)[:, None]
    sin, cos = np.sin(angle), np.cos(angle)
    waves = np.stack([sin, cos], axis=2).reshape(len(x), -1)
    return np.concatenate([x, waves], axis=1), (sin, cos, octaves)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx [N, D] from dy [N, D (1 + 2 octaves)]."""
    sin, cos, octaves = cache
    n, _, dim = sin.shape
    dwaves = dy[:, dim:].reshape(n, octaves, 2, dim)
    w = frequencies(octaves, dy.dtype)[:, None]
    return dy[:, :dim] + (w * (cos * dwaves[:, :, 0] - sin * dwaves[:, :, 1])).sum(axis=1)


def jvp(dx: np.ndarray, cache: Cache) -> np.ndarray:
    """dy [..., N, D (1 + 2 octaves)] along the tangent dx [..., N, D]."""
    sin, cos, octaves = cache
    along = dx[..., None, :] * frequencies(octaves, dx.dtype)[:, None]
    dwaves = np.stack([cos * along, -sin * along], axis=-2)
    return np.concatenate([dx, dwaves.reshape(*dx.shape[:-1], -1)], axis=-1)


def size(dim: int, octaves: int) -> int:
    """How many numbers stand for D coordinates."""
    return dim * (1 + 2 * octaves)


def frequencies(octaves: int, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """w_0..w_(octaves - 1), each twice the one before: [octaves]."""
    return (2.0 * np.pi / PERIOD * 2.0 ** np.arange(octaves)).astype(dtype)
