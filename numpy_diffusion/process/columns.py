"""Numbers of a step made to stand beside the samples that are at it."""

from __future__ import annotations

import numpy as np


def column(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Values a sample [N], or one for all [], shaped to stand beside x [N, ...], in x's dtype."""
    return values.astype(x.dtype).reshape(values.shape + (1,) * (x.ndim - 1))
