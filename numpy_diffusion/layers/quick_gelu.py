"""Quick GELU, y = x sigmoid(1.702 x): CLIP's form of the GELU (Hendrycks and Gimpel 2016, section 2)."""

from __future__ import annotations

from typing import Final

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]

SLOPE: Final = 1.702


def forward(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y from x, of any shape."""
    sigmoid = 0.5 * (1.0 + np.tanh(0.5 * SLOPE * x))  # the tanh form overflows nowhere
    return x * sigmoid, (x, sigmoid)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx from dy: the slope is s + 1.702 x s (1 - s)."""
    x, sigmoid = cache
    return dy * sigmoid * (1.0 + SLOPE * x * (1.0 - sigmoid))
