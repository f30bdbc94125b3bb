"""bfloat16: float32's sign and exponent, and 8 significant bits of its 24 (Kalamkar et al. 2019).

A number's upper 16 bits in float32 are its bfloat16, so that to round is to add and to cut off.
"""

import numpy as np

EXTRA = 16  # bits that float32 has and bfloat16 has not


def rounded(x: np.ndarray) -> np.ndarray:
    """x, float32, rounded to bfloat16: to nearest, ties to the number whose last bit is 0; as float32.

    Too large numbers become infinite, what is no number stays none.

    Examples
    --------
    >>> rounded(np.float32([1.0, 1.0 + 2.0**-8, 1.0 + 2.0**-7 + 2.0**-8, 3.14159])).tolist()
    [1.0, 1.0, 1.015625, 3.140625]
    """
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32)
    last = bits >> EXTRA & 1
    nearest = (bits.astype(np.uint64) + 0x7FFF + last).astype(np.uint32) >> EXTRA << EXTRA
    return np.where(np.isnan(x), x, nearest.view(np.float32))


def product(a: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    """start + a b of rounded matrices [M, K], [K, N] with K even, in the order of the processor's instruction.

    It takes pairs of neighbouring k one after the other, of each pair the second first.  A product of two bfloat16
    numbers is exact in float32; each sum is rounded to float32.
    """
    a, b, total = rounded(a), rounded(b), np.asarray(start, np.float32)
    for k in (k + second for k in range(0, a.shape[1], 2) for second in (1, 0)):
        total = (total.astype(np.float64) + a[:, k, None].astype(np.float64) * b[k]).astype(np.float32)
    return total


def tile_product(a: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    """start + a b of rounded matrices [M, K], [K, N] with K a multiple of 32, in the order of Intel's tile unit.

    Of 32 neighbouring k those of even number and those of odd number have a sum each, one by one; the two are added,
    and then what that gives to what came before.  Each sum is rounded to float32, and numbers below 2^-126 are taken
    for zero, before and after.  (Intel Architecture Instruction Set Extensions, TDPBF16PS)
    """
    a, b, total = rounded(a), rounded(b), np.asarray(start, np.float32)
    for k in range(0, a.shape[1], 32):
        even = odd = np.zeros((len(a), b.shape[1]), np.float32)
        for p in range(k, k + 32, 2):
            even, odd = (_added(half, a[:, i], b[i]) for half, i in ((even, p), (odd, p + 1)))
        total = _normal(_normal(total) + _normal(even + odd))
    return total


def _added(total: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    products = _normal(a)[:, None].astype(np.float64) * _normal(b)
    return _normal((total.astype(np.float64) + products).astype(np.float32))


def _normal(x: np.ndarray) -> np.ndarray:
    """Zero for numbers that have fewer bits than others."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.float32(0), x)
