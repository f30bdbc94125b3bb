"""SiLU, y = x sigmoid(x) (Hendrycks and Gimpel 2016; Elfwing et al. 2018)."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]


def forward(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y from x, of any shape."""
    sigmoid = 0.5 * (1.0 + np.tanh(0.5 * x))  # the tanh form overflows nowhere
    return x * sigmoid, (x, sigmoid)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx from dy: the slope is s + x s (1 - s)."""
    x, sigmoid = cache
    return dy * sigmoid * (1.0 + x * (1.0 - sigmoid))


def jvp(dx: np.ndarray, cache: Cache) -> np.ndarray:
    """dy along the tangent dx, of the shape of x behind any further axes: the slope is the gradient's."""
    return backward(dx, cache)
