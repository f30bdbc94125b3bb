"""An image as a sequence of its pixels, and back."""

from __future__ import annotations

import numpy as np


def rows(x: np.ndarray) -> np.ndarray:
    """[N, H W, C] from [N, C, H, W]."""
    return x.reshape(*x.shape[:2], -1).swapaxes(1, 2)


def image(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An image of H x W as in `shape`, [N, C, H, W], from [N, H W, C]."""
    return rows.swapaxes(1, 2).reshape(len(rows), -1, *shape[2:])
