"""The GELU by a tanh (Hendrycks and Gimpel 2016, section 2):

y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]

CUBIC: Final = 0.044715
SCALE: Final = math.sqrt(2.0 / math.pi)


def forward(x: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y from x, of any shape."""
    bent = np.tanh(SCALE * (x + CUBIC * x * x * x))
    return 0.5 * x * (1.0 + bent), (x, bent)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx from dy: the slope is (1 + tanh u) / 2 + x (1 - tanh^2 u) u' / 2, with u the tanh's argument."""
    x, bent = cache
    slope = SCALE * (1.0 + 3.0 * CUBIC * x * x)
    return dy * 0.5 * (1.0 + bent + x * (1.0 - bent * bent) * slope)
