"""A convolution with products in bfloat16: that of `conv.py` whose products are of rounded numbers, sums in float32.

    y = conv(R x, R W) + b,    dx = conv^T(R dy, R W),    dW = sum over pixels of (R x) (R dy),    db = sum of dy

R rounds to bfloat16.  What is no product is not rounded: b, and the sum that is its gradient.  R's own derivative is
taken to be 1, as W stays in float32 where Adam moves it: changes that are too small for 8 bits add up there
(Micikevicius et al. 2018, section 3.1).
"""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import conv
from numpy_diffusion.layers.bfloat16 import rounded


def forward(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int = 1, pad: tuple[int, int] = (1, 1)
) -> tuple[np.ndarray, conv.Cache]:
    """y [N, J, R, S] from x [N, C, H, W], weight [J, C, k, k], bias [J], float32; see `conv.forward`."""
    return conv.forward(rounded(x), rounded(weight), bias, stride, pad)


def backward(dy: np.ndarray, cache: conv.Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx [N, C, H, W], dweight [J, C, k, k], dbias [J] from dy [N, J, R, S]."""
    dx, dweight, _ = conv.backward(rounded(dy), cache)
    return dx, dweight, dy.sum(axis=(0, 2, 3))
