"""Images of another size by cubic interpolation (Keys 1981, with a = -1/2), with anti-aliasing where they shrink.

A linear map of rows and one of columns, R x C^T.  It is PyTorch's `interpolate` with mode "bicubic" and antialias,
and Pillow's BICUBIC: DALL-E 2's upsamplers are shown the low-resolution image so.
"""

from __future__ import annotations

import numpy as np


def forward(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """y [..., height, width] from x [..., h, w], in its dtype; of the same size it is x to the bit.

    Examples
    --------
    >>> forward(np.array([[0.0, 1.0]]), 1, 4).round(3).tolist()
    [[-0.088, 0.207, 0.793, 1.088]]
    """
    rows, columns = (matrix(*sizes).astype(x.dtype) for sizes in ((height, x.shape[-2]), (width, x.shape[-1])))
    return rows @ x @ columns.T


def matrix(large: int, small: int) -> np.ndarray:
    """What each of `large` pixels in a row takes of `small` ones: float64 [large, small], each row of sum 1.

    Pixel i lies at (i + 1/2) small / large of the others' row, pixel j at j + 1/2; what lies outside is left out.
    """
    ratio = small / large
    apart = np.arange(small) + 0.5 - (np.arange(large)[:, None] + 0.5) * ratio
    weights = _kernel(np.abs(apart) / max(ratio, 1.0))
    return weights / weights.sum(axis=1, keepdims=True)


def _kernel(x: np.ndarray) -> np.ndarray:
    """Keys' cubic at distances x: 1 at 0, and 0 at 1, at 2 and beyond."""
    near, far = (1.5 * x - 2.5) * x**2 + 1.0, ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
