"""The quick form of GELU, y = x sigmoid(1.702 x) (Hendrycks and Gimpel 2016, section 2), which CLIP is made with."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import silu

FACTOR = 1.702


def forward(x: np.ndarray) -> tuple[np.ndarray, silu.Cache]:
    """y from x, of any shape: the SiLU of 1.702 x, over 1.702."""
    y, cache = silu.forward(FACTOR * x)
    return y / FACTOR, cache


def backward(dy: np.ndarray, cache: silu.Cache) -> np.ndarray:
    """dx from dy."""
    return silu.backward(dy, cache)
