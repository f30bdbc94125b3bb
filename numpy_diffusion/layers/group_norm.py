"""Group normalisation (Wu and He 2018): z = (x - mean) / sqrt(variance + eps) over each group's channels and pixels,
y_c = weight_c z_c + bias_c.
"""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray, np.ndarray]


def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int, eps: float = 1e-5
) -> tuple[np.ndarray, Cache]:
    """y from x [N, C, ...], weight [C], bias [C]; each of `groups` groups has C / groups channels."""
    rows = x.reshape(len(x), groups, -1)
    centred = rows - rows.mean(axis=2, keepdims=True)
    inverse = 1.0 / np.sqrt((centred**2).mean(axis=2, keepdims=True) + x.dtype.type(eps))
    z = (centred * inverse).reshape(x.shape)
    return z * _by_channel(weight, x) + _by_channel(bias, x), (z, inverse, weight)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx, dweight [C], dbias [C] from dy [N, C, ...]: mean and variance take the parts of dz along 1 and along z."""
    z, inverse, weight = cache
    groups = (*inverse.shape[:2], -1)
    dz, rows = (dy * _by_channel(weight, dy)).reshape(groups), z.reshape(groups)
    along_z = rows * (dz * rows).mean(axis=2, keepdims=True)
    dx = inverse * (dz - dz.mean(axis=2, keepdims=True) - along_z)
    others = (0, *range(2, dy.ndim))
    return dx.reshape(dy.shape), (dy * z).sum(axis=others), dy.sum(axis=others)


def _by_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """[C] as [C, 1, ...], to stand beside x [N, C, ...]."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))
