"""GELU (Hendrycks and Gimpel 2016), y = x Phi(x) with Phi the normal distribution function, or its tanh form."""

from __future__ import annotations

import math
from typing import Literal, assert_never

import numpy as np

Form = Literal["erf", "tanh"]
Cache = tuple[np.ndarray, np.ndarray, np.ndarray]

FAR = 40.0  # Phi and its slope are 0 or 1 to rounding long before: a power of what is larger would overflow
CUBIC = 0.044715

_erf = np.vectorize(math.erf, otypes=[np.float64])


def forward(x: np.ndarray, form: Form = "erf") -> tuple[np.ndarray, Cache]:
    """y from x, of any shape.

    form : "erf" is the definition, "tanh" is (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 for Phi
    """
    near = np.clip(x, -FAR, FAR)
    match form:
        case "erf":
            phi = (0.5 * (1.0 + _erf(near / math.sqrt(2.0)))).astype(x.dtype)
            slope = np.exp(-0.5 * near**2) / math.sqrt(2.0 * math.pi)
        case "tanh":
            c = math.sqrt(2.0 / math.pi)
            phi = 0.5 * (1.0 + np.tanh(c * (near + CUBIC * near**3)))
            slope = 2.0 * phi * (1.0 - phi) * c * (1.0 + 3.0 * CUBIC * near**2)
        case _:
            assert_never(form)
    return x * phi, (x, phi, slope)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dx from dy: the slope is Phi + x Phi'."""
    x, phi, slope = cache
    return dy * (phi + x * slope)
