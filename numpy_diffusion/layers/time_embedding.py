"""The sinusoidal embedding of a step (Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B)."""

from __future__ import annotations

import numpy as np

MAX_PERIOD = 10_000.0


def forward(t: np.ndarray, size: int, dtype: np.dtype | type = np.float32) -> np.ndarray:
    """[sin(t w), cos(t w)] with `size` // 2 frequencies w from 1 down to 1 / 10,000: [N, size] from t [N].

    Steps have no gradient, so there is no backward.
    """
    half = size // 2
    w = np.exp(-np.log(MAX_PERIOD) * np.arange(half) / max(half - 1, 1))
    angle = np.asarray(t, dtype=np.float64)[:, None] * w
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(dtype)
