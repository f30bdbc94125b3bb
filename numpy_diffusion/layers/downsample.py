"""Images of half the height and width: each pixel is the mean of four (diffusers' `Downsample2D` without a
convolution).

The transpose of `upsample`, over four: so each way of one is a way of the other.
"""

from __future__ import annotations

import numpy as np

from numpy_diffusion.layers import upsample


def forward(x: np.ndarray) -> np.ndarray:
    """y [N, C, H / 2, W / 2] from x [N, C, H, W]."""
    return upsample.backward(x) * x.dtype.type(0.25)


def backward(dy: np.ndarray) -> np.ndarray:
    """dx [N, C, H, W] from dy [N, C, H / 2, W / 2]."""
    return upsample.forward(dy) * dy.dtype.type(0.25)
