"""An image as a sequence (Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.1): its patches, each through one and
the same linear layer, behind a class token, and to each place its position.

y = [class; conv(x)_1; ...; conv(x)_n] + position,   conv of P x P pixels, P apart, without a bias
"""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import conv


def forward(
    x: np.ndarray, patch: np.ndarray, token: np.ndarray, position: np.ndarray
) -> tuple[np.ndarray, conv.Cache]:
    """y [N, 1 + n, D] from x [N, C, H, W], patch [D, C, P, P], token [D], position [1 + n, D]; H and W are multiples
    of P.
    """
    patches, cache = conv.forward(x, patch, None, stride=patch.shape[2], pad=(0, 0))
    N, D = patches.shape[:2]
    y = np.empty((N, len(position), D), patches.dtype)
    y[:, 0] = token
    y[:, 1:] = patches.reshape(N, D, -1).swapaxes(1, 2)
    return y + position, cache


def backward(dy: np.ndarray, cache: conv.Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """dx [N, C, H, W], dpatch [D, C, P, P], dtoken [D], dposition [1 + n, D] from dy [N, 1 + n, D]."""
    N, _, D = dy.shape
    rows, columns = (side // cache.stride for side in cache.padded.shape[2:])
    dpatches = dy[:, 1:].swapaxes(1, 2).reshape(N, D, rows, columns)
    dx, dpatch, _ = conv.backward(dpatches, cache)
    return dx, dpatch, dy[:, 0].sum(axis=0), dy.sum(axis=0)
