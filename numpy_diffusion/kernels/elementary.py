"""exp, the sigmoid, the normal distribution, and slopes, as scalars that vectorise in their caller's loop."""

import math

from numba import float32, uint32

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.random import bits_float, float_bits
from numpy_diffusion.kernels.vector.registers import EXP2

RANGE = 60.0  # powers of two to which exp's argument is kept: 1e-18 from 0 beside 1
_SCALE = 1.0 / math.log(2.0)
_MAGIC = 1.5 * 2.0**23  # leaves the nearest integer in the low bits of a sum


@inline_jit
def exp(x):
    """exp(x), kept to 2**-60..2**60: x / ln 2 = m + r, 2**r by a polynomial, 2**m by its exponent bits."""
    u = x * float32(_SCALE)
    u = float32(-RANGE) if u < float32(-RANGE) else u
    u = float32(RANGE) if u > float32(RANGE) else u
    shifted = u + float32(_MAGIC)
    r = u - (shifted - float32(_MAGIC))
    y = float32(EXP2[0])
    y = y * r + float32(EXP2[1])
    y = y * r + float32(EXP2[2])
    y = y * r + float32(EXP2[3])
    y = y * r + float32(EXP2[4])
    y = y * r + float32(1.0)
    return bits_float(uint32(float_bits(y) + uint32(float_bits(shifted) << uint32(23))))


@inline_jit
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return float32(1) / (float32(1) + exp(-x))


@inline_jit
def silu_slope(x):
    """The slope of x sigmoid(x): s + x s (1 - s)."""
    s = sigmoid(x)
    return s * (float32(1) + x * (float32(1) - s))


# erfc(z) = t exp(-z^2 + polynomial in t), t = 1 / (1 + z / 2), z >= 0: its relative error is below 1.2e-7 (Press et
# al., Numerical Recipes, 2nd edition, 6.2)
ERFC = (
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223,
)


@inline_jit
def normal_cdf(x):
    """P(N(0, 1) < x) = erfc(-x / sqrt(2)) / 2."""
    z = abs(x) * float32(math.sqrt(0.5))
    t = float32(1) / (float32(1) + float32(0.5) * z)
    y = float32(ERFC[0])
    y = y * t + float32(ERFC[1])
    y = y * t + float32(ERFC[2])
    y = y * t + float32(ERFC[3])
    y = y * t + float32(ERFC[4])
    y = y * t + float32(ERFC[5])
    y = y * t + float32(ERFC[6])
    y = y * t + float32(ERFC[7])
    y = y * t + float32(ERFC[8])
    y = y * t + float32(ERFC[9])
    beyond = float32(0.5) * t * exp(y - z * z)
    return beyond if x < float32(0) else float32(1) - beyond


@inline_jit
def gelu_slope(x, below):
    """The slope of x P(N(0, 1) < x), from below = P(N(0, 1) < x)."""
    return below + x * float32(1.0 / math.sqrt(2.0 * math.pi)) * exp(float32(-0.5) * x * x)
