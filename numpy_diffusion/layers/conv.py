"""The convolution of images, with x between rows and columns of zeros:

y[j, r, s] = bias[j] + sum over c, a, b of weight[j, c, a, b] x[c, r stride + a, s stride + b]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Cache(NamedTuple):
    padded: np.ndarray
    weight: np.ndarray
    stride: int
    pad: tuple[int, int]


def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int = 1, pad: tuple[int, int] = (1, 1)
) -> tuple[np.ndarray, Cache]:
    """y [N, J, R, S] from x [N, C, H, W], weight [J, C, k, k], bias [J]; pad: zeros before and after, on either axis.

    Stride 2 with pad (0, 1) is the halving of the original DDPM, diffusers' downsample_padding 0.
    """
    (before, after), (N, C, H, W) = pad, x.shape
    padded = np.zeros((N, C, before + H + after, before + W + after), x.dtype)  # np.pad takes as long as a small sum
    padded[:, :, before : before + H, before : before + W] = x
    y = np.tensordot(_windows(padded, weight, stride), weight, axes=([1, 4, 5], [1, 2, 3])) + bias
    return np.moveaxis(y, 3, 1), Cache(padded, weight, stride, pad)


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [N, C, H, W], dweight [J, C, k, k], dbias [J] from dy [N, J, R, S]."""
    padded, weight, stride, (before, after) = cache
    dweight = np.tensordot(dy, _windows(padded, weight, stride), axes=([0, 2, 3], [0, 2, 3]))
    dpadded = np.zeros_like(padded)
    rows, columns = (stride * n for n in dy.shape[2:])
    for a, b in np.ndindex(weight.shape[2:]):  # each tap of the window saw its own pixels
        taps = np.tensordot(dy, weight[:, :, a, b], axes=([1], [0]))
        dpadded[:, :, a : a + rows : stride, b : b + columns : stride] += np.moveaxis(taps, 3, 1)
    height, width = padded.shape[2:]
    return dpadded[:, :, before : height - after, before : width - after], dweight, dy.sum(axis=(0, 2, 3))


def _windows(padded: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """What each output pixel sees: [N, C, R, S, k, k], a view."""
    return sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
