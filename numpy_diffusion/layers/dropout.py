"""Dropout (Srivastava et al. 2014) from the counter-based generator: a sample keeps the same values in any batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion.noise import NUMBER_SHIFT, STREAM_DROPOUT, uniform


def forward(
    x: np.ndarray, probability: float, seed: int, samples: ArrayLike, step: ArrayLike, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """y from x [N, ...]: each value zero with `probability`, else divided by 1 - probability; and the factors.

    Value e of sample n is kept where `uniform(seed, stream, samples[n], step, e)` is at least `probability`, the
    stream being STREAM_DROPOUT | number << 16.

    Parameters
    ----------
    probability : in [0, 1)
    seed : of the training run
    samples : ints [N], the samples' own numbers
    step : the training step, an int or ints [N]
    number : which dropout of the network
    """
    stream = STREAM_DROPOUT | number << NUMBER_SHIFT
    drawn = uniform(seed, stream, samples, step, x[0].size).reshape(x.shape)
    factor = (drawn >= np.float32(probability)).astype(x.dtype) / x.dtype.type(1.0 - probability)
    return x * factor, factor


def backward(dy: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """dx from dy [N, ...]."""
    return dy * factor
