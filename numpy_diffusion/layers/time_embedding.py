"""The sinusoidal embedding of a step (Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B)."""

from __future__ import annotations

import math

import numpy as np

MAX_PERIOD = 10_000.0


def forward(
    t: np.ndarray,
    size: int,
    dtype: np.dtype | type = np.float32,
    flip_sin_to_cos: bool = False,
    freq_shift: float = 1.0,
) -> np.ndarray:
    """[sin(t w), cos(t w)] with half = `size` // 2 frequencies w: [N, size] from t [N].

    w_k = 10,000^(-k / (half - freq_shift)), k = 0..half - 1: from 1 down to 1 / 10,000 with freq_shift 1, and to just
    above it with 0. `flip_sin_to_cos` puts the cosines first; an odd `size` ends in a zero (both as diffusers).
    Steps have no gradient, so there is no backward.
    """
    half = size // 2
    # By the C library, as NumPy's exp rounds by the registers of the processor; its sine and cosine do not.
    w = np.array([math.exp(-math.log(MAX_PERIOD) * k / max(half - freq_shift, 1)) for k in range(half)])
    angle = np.asarray(t, dtype=np.float64)[:, None] * w
    parts = [np.cos(angle), np.sin(angle)] if flip_sin_to_cos else [np.sin(angle), np.cos(angle)]
    return np.concatenate([*parts, np.zeros((len(angle), size % 2))], axis=1).astype(dtype)
