"""Rounding to bfloat16 by looking at a number's two neighbours, and pairs of such numbers in words."""

from __future__ import annotations

import numpy as np


def nearest(x: np.ndarray) -> np.ndarray:
    """Finite x, float32, as the nearer of the two bfloat16 numbers around it; of two as near, the even.

    What is below 2^-126 is a zero of its sign.
    """
    below = (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)  # towards zero
    above = (below.view(np.uint32) + np.uint32(0x10000)).view(np.float32)
    far = np.abs(above.astype(np.float64))
    far[np.isinf(far)] = 2.0**128  # what comes behind the largest number
    size = np.abs(x.astype(np.float64))
    down, up = size - np.abs(below.astype(np.float64)), far - size
    odd = (below.view(np.uint32) >> 16 & 1).astype(bool)
    zero = np.copysign(np.float32(0.0), x)
    return np.where(size < 2.0**-126, zero, np.where((up < down) | ((up == down) & odd), above, below))


def every_kind_of_number(seed: int, count: int = 4000) -> np.ndarray:
    """Numbers of all sizes, those below 2^-126, ties and what lies beside them among them."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0x00800000, 0x7F7FFFFF, count, dtype=np.uint32)
    bits[::7] = rng.integers(0, 0x00800000, len(bits[::7]), dtype=np.uint32)
    bits[::3] = bits[::3] & np.uint32(0xFFFF0000) | np.uint32(0x8000)
    bits[1::3] = bits[1::3] & np.uint32(0xFFFF0000) | rng.integers(0x7FFF, 0x8002, len(bits[1::3]), dtype=np.uint32)
    return (bits | rng.integers(0, 2, count, dtype=np.uint32) << np.uint32(31)).view(np.float32)


def words(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pairs of numbers, rounded, in the words of float32 numbers."""
    low, high = (np.ascontiguousarray(nearest(half)).view(np.uint32) for half in (first, second))
    return (low >> np.uint32(16) | high).view(np.float32)
