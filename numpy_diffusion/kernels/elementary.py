"""exp, the sigmoid and SiLU's slope as scalar functions that vectorise in their caller's loop."""

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
