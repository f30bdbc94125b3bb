"""Coordinates and their waves in octaves and directions (Mildenhall et al. 2020, eq 4; Tancik et al. 2020).

A network of plain coordinates learns smooth functions first and fine detail hardly at all; waves of every length that
matters stand for both alike.  With waves along the axes alone, detail that lies aslant is slow to learn: so they run
along the sums and differences of each two coordinates too.
"""

from __future__ import annotations

import numpy as np

PERIOD = 8.0  # of the longest wave: standardised data lies in -4..4

Cache = tuple[np.ndarray, np.ndarray, int]


def forward(x: np.ndarray, octaves: int) -> tuple[np.ndarray, Cache]:
    """[x, sin(w_0 u), cos(w_0 u), sin(w_1 u), ...] [N, D + 2 D^2 octaves] from x [N, D].

    u = directions(D) x [N, D^2] and w_k = 2 pi 2^k / PERIOD.
    """
    u = x @ directions(x.shape[1], x.dtype).T
    angle = u[:, None, :] * frequencies(octaves, x.dtype)[:, None]
    sin, cos = np.sin(angle), np.cos(angle)
    waves = np.stack([sin, cos], axis=2).reshape(len(x), -1)
    return np.concatenate([x, waves], axis=1), (sin, cos, x.shape[1])


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx [N, D] from dy [N, D + 2 D^2 octaves]."""
    sin, cos, dim = cache
    n, octaves, count = sin.shape
    dwaves = dy[:, dim:].reshape(n, octaves, 2, count)
    w = frequencies(octaves, dy.dtype)[:, None]
    du = (w * (cos * dwaves[:, :, 0] - sin * dwaves[:, :, 1])).sum(axis=1)
    return dy[:, :dim] + du @ directions(dim, dy.dtype)


def jvp(dx: np.ndarray, cache: Cache) -> np.ndarray:
    """dy [..., N, D + 2 D^2 octaves] along the tangent dx [..., N, D]."""
    sin, cos, dim = cache
    du = dx @ directions(dim, dx.dtype).T
    along = du[..., None, :] * frequencies(sin.shape[1], dx.dtype)[:, None]
    dwaves = np.stack([cos * along, -sin * along], axis=-2)
    return np.concatenate([dx, dwaves.reshape(*dx.shape[:-1], -1)], axis=-1)


def size(dim: int, octaves: int) -> int:
    """How many numbers stand for D coordinates."""
    return dim + 2 * dim**2 * octaves


def directions(dim: int, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """Unit vectors [D^2, D]: each axis d, and behind it, with each later one, (d + e) and (d - e) over sqrt(2).

    Examples
    --------
    >>> directions(2).round(2).tolist()
    [[1.0, 0.0], [0.71, 0.71], [0.71, -0.71], [0.0, 1.0]]
    """
    axes, found = np.eye(dim), []
    for d in range(dim):
        found += [axes[d]]
        for e in range(d + 1, dim):
            found += [(axes[d] + axes[e]) / np.sqrt(2.0), (axes[d] - axes[e]) / np.sqrt(2.0)]
    return np.array(found, dtype)


def frequencies(octaves: int, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """w_0..w_(octaves - 1), each twice the one before: [octaves]."""
    return (2.0 * np.pi / PERIOD * 2.0 ** np.arange(octaves)).astype(dtype)
