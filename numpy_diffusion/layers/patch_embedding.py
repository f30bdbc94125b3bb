"""An image as a sequence (Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.1): its patches, each through one and
the same linear layer, behind a class token, and to each place its position.

y = [class; patch_1 W^T; ...; patch_n W^T] + position

W is kept as the window of a convolution without a bias, P x P pixels and P apart, which is the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from numpy_diffusion.layers import linear


class Cache(NamedTuple):
    linear: linear.Cache
    images: tuple[int, ...]  # shape of x
    window: tuple[int, ...]  # shape of W


def forward(x: np.ndarray, patch: np.ndarray, token: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [N, 1 + n, D] from x [N, C, H, W], patch [D, C, P, P], token [D], position [1 + n, D]; H and W are multiples
    of P.
    """
    N, C, H, W = x.shape
    D, P = patch.shape[0], patch.shape[2]
    pixels = x.reshape(N, C, H // P, P, W // P, P).transpose(0, 2, 4, 1, 3, 5)  # [N, row, column, C, P, P]
    patches, cache = linear.forward(pixels.reshape(N, -1, C * P * P), patch.reshape(D, -1), None)
    classes = np.broadcast_to(token, (N, 1, D))
    return np.concatenate([classes, patches], axis=1) + position, Cache(cache, x.shape, patch.shape)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """dx [N, C, H, W], dpatch [D, C, P, P], dtoken [D], dposition [1 + n, D] from dy [N, 1 + n, D]."""
    (N, C, H, W), P = cache.images, cache.window[2]
    dpixels, dpatch, _ = linear.backward(dy[:, 1:], cache.linear)
    dx = dpixels.reshape(N, H // P, W // P, C, P, P).transpose(0, 3, 1, 4, 2, 5)
    return dx.reshape(N, C, H, W), dpatch.reshape(cache.window), dy[:, 0].sum(axis=0), dy.sum(axis=0)
