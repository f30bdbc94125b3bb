"""Probabilities of 8-bit values under a normal density (Ho et al. 2020, eq 13)."""

from __future__ import annotations

import math

import numpy as np

FAR = 10.0  # standard deviations from which on the continued fraction of the normal tail holds to rounding

_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def log_bin(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """log P(x) of 8-bit values under N(mean, sigma^2): bins x +- 1/2, the first and the last open (Ho et al. eq 13).

    A bin's ends (a, b) are measured from the mean in standard deviations.  A bin that lies to the left of the mean is
    mirrored to the right, where it has the same probability.  Where the mean is inside the bin, the integrals of its
    two sides add up.  Where it is not, P = Q(a) - Q(b), Q the normal's upper tail; exp(-a^2 / 2) is taken out of both
    before the logarithm, since Q itself underflows to 0 from about a = 38 on.

    Parameters
    ----------
    x : integers 0..255, of any shape
    mean, sigma : in the same unit; shapes that broadcast with x

    Returns
    -------
    float64, of the broadcast shape
    """
    low = np.where(x < 0.5, -np.inf, (x - 0.5 - mean) / sigma)
    high = np.where(x > 254.5, np.inf, (x + 0.5 - mean) / sigma)
    left = low + high < 0.0
    a, b = np.where(left, -high, low), np.where(left, -low, high)
    inside = 0.5 * (_erf(b / math.sqrt(2.0)) + _erf(-a / math.sqrt(2.0)))
    start = np.maximum(a, 0.0)
    tail = _scaled_tail(start) - _scaled_tail(b) * np.exp(-0.5 * (b - start) * (b + start))
    with np.errstate(divide="ignore", invalid="ignore"):  # of the side that is not chosen
        return np.where(a < 0.0, np.log(inside), np.log(tail) - 0.5 * start**2)


def _scaled_tail(z: np.ndarray) -> np.ndarray:
    """Q(z) exp(z^2 / 2) for z >= 0, Q the normal's upper tail (Abramowitz and Stegun 26.2.14 for large z)."""
    near, far = np.minimum(z, FAR), np.maximum(z, FAR)
    fraction = far
    for k in range(30, 0, -1):
        fraction = far + k / fraction
    exact = 0.5 * _erfc(near / math.sqrt(2.0)) * np.exp(0.5 * near**2)
    return np.where(z < FAR, exact, 1.0 / (math.sqrt(2.0 * math.pi) * fraction))
