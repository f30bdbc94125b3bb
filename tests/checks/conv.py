"""Convolution as it is printed, and its gradient."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import conv

Sizes = tuple[int, int, int, int, int]


def arrays(sizes: Sizes, k: int, seed: int = 0) -> dict[str, np.ndarray]:
    N, C, J, H, W = sizes
    return drawn(seed, x=(N, C, H, W), weight=(J, C, k, k), bias=(J,))


def as_printed(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: tuple[int, int]) -> np.ndarray:
    """One pixel, one tap at a time; what lies outside of x is zero."""
    (N, C, H, W), (J, _, k, _) = x.shape, weight.shape
    R, S = ((n + sum(pad) - k) // stride + 1 for n in (H, W))
    y = np.zeros((N, J, R, S))
    for n, j, r, s in np.ndindex(y.shape):
        y[n, j, r, s] = bias[j]
        for c, a, b in np.ndindex(C, k, k):
            row, column = r * stride + a - pad[0], s * stride + b - pad[0]
            if 0 <= row < H and 0 <= column < W:
                y[n, j, r, s] += weight[j, c, a, b] * x[n, c, row, column]
    return y


def check_gradients(
    sizes: Sizes = (2, 3, 2, 5, 4), k: int = 3, stride: int = 2, pad: tuple[int, int] = (0, 1)
) -> None:
    forward = partial(conv.forward, stride=stride, pad=pad)
    assert wrong_gradients(forward, conv.backward, arrays(sizes, k)) == []


def check_values(sizes: Sizes = (2, 3, 2, 5, 4), k: int = 3, stride: int = 2, pad: tuple[int, int] = (0, 1)) -> None:
    given = arrays(sizes, k)
    y, _ = conv.forward(**given, stride=stride, pad=pad)
    expected = as_printed(**given, stride=stride, pad=pad)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13 * (1 + 9 * sizes[1]))
