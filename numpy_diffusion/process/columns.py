"""One number a sample, in the shape in which NumPy multiplies it with the whole sample."""

from __future__ import annotations

import numpy as np


def column(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values [N], one for each sample, as [N, 1, ...] in the dtype of x [N, ...]; or one for all, [], as [1, ...].

    Examples
    --------
    >>> column(np.array([1.0, 2.0]), np.ones((2, 3), np.float32)).tolist()
    [[1.0], [2.0]]
    """
    return values.astype(x.dtype).reshape(values.shape + (1,) * (x.ndim - 1))
