"""The gradient of attention."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import attention


def arrays(N: int, L: int, C: int) -> dict[str, np.ndarray]:
    return drawn(N + L + C, q=(N, L, C), k=(N, L, C), v=(N, L, C))


def check_gradients(N: int = 2, L: int = 5, heads: int = 2, d: int = 3) -> None:
    forward = partial(attention.forward, heads=heads)
    assert wrong_gradients(forward, attention.backward, arrays(N, L, heads * d)) == []
