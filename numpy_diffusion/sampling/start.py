"""Which samples a call draws, and the noise from which their chains start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.noise import STREAM_START, WORD_RANGE, normal


def checked(n: Any, seed: Any, first: Any) -> tuple[int, int, int]:
    """How many samples, their seed and the number of the first; a ValueError where they are none."""
    n = _checks.integer("n", n, 1, WORD_RANGE)
    return n, _checks.seed(seed), _checks.integer("first", first, 0, WORD_RANGE - n)


def noise(n: int, shape: tuple[int, ...], seed: int, first: int) -> np.ndarray:
    """x_T ~ N(0, I) of samples first..first + n - 1 of this shape: float32 [n, *shape]."""
    return normal(seed, STREAM_START, first + np.arange(n), 0, math.prod(shape)).reshape(n, *shape)
