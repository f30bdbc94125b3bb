"""The counter-based generator, compiled: the twin of `noise.py`, equal to the bit in its integers.

Logarithm, sine and cosine are branch-free polynomials (Moshier's Cephes library, single precision), because a
call to the C library keeps a loop scalar.  Sine and cosine are exact to 1e-7, the logarithm to 1e-7 of itself.
"""

import math

import numpy as np
from llvmlite import ir
from numba import config, float32, types, uint32, uint64
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit

_UNIT24 = float32(2.0**-24)


def _bit_cast(source, target, llvm_target):
    """The intrinsic that reads the bits of one type as another."""

    @intrinsic
    def cast(typingctx, x):
        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], llvm_target)

        return target(source), codegen

    return cast


if config.DISABLE_JIT:  # stepping through kernels with a debugger

    def float_bits(x):
        return np.float32(x).view(np.uint32)

    def bits_float(x):
        return np.uint32(x).view(np.float32)

else:
    float_bits = _bit_cast(types.float32, types.uint32, ir.IntType(32))
    bits_float = _bit_cast(types.uint32, types.float32, ir.FloatType())


@inline_jit
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Four random words of one counter.

    Each travels in 64 bits, the upper half without meaning: a vector multiply reads the lower halves alone, and
    nothing has to be packed between rounds.
    """
    low = uint64(0xFFFFFFFF)
    w0, w1, w2, w3 = uint64(c0), uint64(c1), uint64(c2), uint64(c3)
    for _ in range(10):
        p0 = uint64(0xD2511F53) * (w0 & low)
        p1 = uint64(0xCD9E8D57) * (w2 & low)
        w0, w1, w2, w3 = (p1 >> uint64(32)) ^ w1 ^ uint64(k0), p1, (p0 >> uint64(32)) ^ w3 ^ uint64(k1), p0
        k0 = uint32(k0 + uint32(0x9E3779B9))
        k1 = uint32(k1 + uint32(0xBB67AE85))
    return uint32(w0), uint32(w1), uint32(w2), uint32(w3)


@inline_jit
def log_unit(x):
    """Natural logarithm of a float32 in (0, 1]: exponent by its bits, the rest by Cephes' polynomial."""
    bits = float_bits(x)
    exponent = float32(np.int32(bits >> uint32(23)) - np.int32(126))
    mantissa = bits_float(uint32((bits & uint32(0x7FFFFF)) | uint32(0x3F000000)))
    small = mantissa < float32(0.70710678)
    exponent = exponent - float32(1) if small else exponent
    m = mantissa + mantissa - float32(1) if small else mantissa - float32(1)
    z = m * m
    y = float32(7.0376836292e-2)
    y = y * m + float32(-1.1514610310e-1)
    y = y * m + float32(1.1676998740e-1)
    y = y * m + float32(-1.2420140846e-1)
    y = y * m + float32(1.4249322787e-1)
    y = y * m + float32(-1.6668057665e-1)
    y = y * m + float32(2.0000714765e-1)
    y = y * m + float32(-2.4999993993e-1)
    y = y * m + float32(3.3333331174e-1)
    return m + (y * m * z - float32(0.5) * z) + exponent * float32(0.693147180559945)


@inline_jit
def sincos_turn(u):
    """sin and cos of 2 pi u for u in [0, 1): the nearest quarter turn and Cephes' polynomials for the rest."""
    k = np.int32(u * float32(4) + float32(0.5))
    r = (u - float32(k) * float32(0.25)) * float32(6.283185307179586)
    z = r * r
    s = float32(-1.9515295891e-4) * z + float32(8.3321608736e-3)
    s = (s * z - float32(1.6666654611e-1)) * z * r + r
    c = float32(2.443315711809948e-5) * z - float32(1.388731625493765e-3)
    c = (c * z + float32(4.166664568298827e-2)) * z * z - float32(0.5) * z + float32(1)
    odd = (k & np.int32(1)) != 0
    sine, cosine = (c if odd else s), (s if odd else c)
    sine = -sine if (k & np.int32(2)) != 0 else sine
    cosine = -cosine if ((k + np.int32(1)) & np.int32(2)) != 0 else cosine
    return sine, cosine


@inline_jit
def box_muller(a, b):
    """Two standard normals from two random words (Box and Muller 1958)."""
    u = float32(np.int32(a >> uint32(8)) + np.int32(1)) * _UNIT24
    radius = math.sqrt(float32(-2) * log_unit(u))
    sine, cosine = sincos_turn(float32(np.int32(b >> uint32(8))) * _UNIT24)
    return radius * sine, radius * cosine


@inline_jit
def normal4(block, sample, step, stream, k0, k1):
    """Four standard normals of one counter."""
    r0, r1, r2, r3 = philox4x32(uint32(block), uint32(sample), uint32(step), uint32(stream), k0, k1)
    z0, z1 = box_muller(r0, r1)
    z2, z3 = box_muller(r2, r3)
    return z0, z1, z2, z3


@inline_jit
def below(word, high):
    """An integer in 0..high - 1 from a random word: the upper half of word * high."""
    return np.int64((uint64(word) * uint64(high)) >> uint64(32))
