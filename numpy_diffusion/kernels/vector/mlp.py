"""The tiles of a network of dense layers: what follows the product is done while the sums are still in registers."""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import (
    LANES,
    ROWS,
    SILU_RANGE,
    VECTOR,
    address,
    exp_minus,
    fma,
    joined,
    like,
    load,
    parted,
    product,
    real,
    size,
    store,
)


def make_silu_tile(rows, vector):
    """The intrinsic silu_tile(A, a0, ak, ai, B, b0, bias, bias0, H, h0, G, g0, depth, residual, keep).

    The tile of a hidden layer, with what follows the product done while the sums are still in registers:
        g = bias[i] + sum over k of A[k, i] * B[k, n];    s = sigmoid(g);    H[i, n] = g * s;
        where `residual`: H[i, n] += B[h0 + i, n];        where `keep`: G[i, n] = s + g * s * (1 - s), the slope.
    Rows of B, H and G lie LANES apart; h0 and g0 are the tile's offsets in H (and in B) and in G.
    """

    @intrinsic
    def silu_tile(typingctx, A, a0, ak, ai, B, b0, bias, bias0, H, h0, G, g0, depth, residual, keep):
        n, flag = types.intp, types.boolean
        signature = types.void(A, n, n, n, B, n, bias, n, H, n, G, n, n, flag, flag)

        def codegen(context, builder, signature, args):
            a, b, biases, h, g = (address(context, builder, signature, args, at) for at in (0, 4, 6, 8, 10))
            start = [builder.load(builder.gep(biases, [size(i)])) for i in range(rows)]
            sums = product(builder, vector, a, args[2:4], b, size(2 * vector), args[12], start)
            outputs, slopes = _silu_rows(builder, [joined(builder, row) for row in sums])
            places = [i * 2 * vector for i in range(rows)]
            for at, output in zip(places, outputs, strict=True):
                store(builder, h, at, output)
            with builder.if_then(args[13]):
                before = builder.gep(b, [args[9]])
                for at, output in zip(places, outputs, strict=True):
                    store(builder, h, at, builder.fadd(output, load(builder, before, at, output.type)))
            with builder.if_then(args[14]):
                for at, slope in zip(places, slopes, strict=True):
                    store(builder, g, at, slope)
            return context.get_dummy_value()

        return signature, codegen

    return silu_tile


def _silu_rows(builder, rows):
    """SiLU of each row and its slope; all pairs of rows at once, so that while one waits for a result others work."""
    even, odd = joined(builder, rows[0::2]), joined(builder, rows[1::2])
    found = ([parted(builder, half, len(rows) // 2) for half in halves] for halves in _silu_pair(builder, even, odd))
    return ([row for pair in zip(*halves, strict=True) for row in pair] for halves in found)


def _silu_pair(builder, u, v):
    """SiLU of two registers and its slope; the two share one division, which costs as much as all the rest.

    Rounding carries a trace of one into the other: they are to hold two features of the same samples, never two
    samples, or a sample would depend on its neighbour.

    sigmoid(u) = 1 / (1 + 2**x) with x = -u / ln 2 = m + r, m an integer: 2**m by its exponent bits, 2**r by a
    polynomial.  Adding 1.5 * 2**23 leaves m in the low bits of the sum.  |x| is kept to 60, so that the product
    of two denominators is finite; there the sigmoid is 1e-18 from 0 or 1.
    """
    one = like(u, 1.0)
    clipped = [_clip_low(builder, value, real(u.type).range) for value in (u, v)]
    exps = [exp_minus(builder, value) for value in clipped]
    below = [builder.fadd(one, e) for e in exps]
    inverse = builder.fdiv(one, builder.fmul(*below))
    sigmoids = [builder.fmul(inverse, other) for other in reversed(below)]
    outputs = [builder.fmul(value, s) for value, s in zip(clipped, sigmoids, strict=True)]
    # the slope s + h (1 - s), in which 1 - s = s exp(-g) without cancellation
    slopes = [fma(builder, builder.fmul(h, e), s, s) for h, e, s in zip(outputs, exps, sigmoids, strict=True)]
    return outputs, slopes


def _clip_low(builder, value, limit):
    low = like(value, -limit)
    return builder.select(builder.fcmp_ordered("<", value, low), low, value)  # NaN passes


def make_slope_tile(rows, vector):
    """The intrinsic slope_tile(A, a0, ak, ai, B, b0, H, h0, G, g0, D, d0, depth, residual): backward through a layer.

        dh = sum over k of A[k, i] * B[k, n];    where `residual`: dh += H[i, n];
        H[i, n] = dh;    D[i, n] = dh * G[i, n], with G the slopes that `silu_tile` kept.
    Rows of B, H, G and D lie LANES apart.
    """

    @intrinsic
    def slope_tile(typingctx, A, a0, ak, ai, B, b0, H, h0, G, g0, D, d0, depth, residual):
        n = types.intp
        signature = types.void(A, n, n, n, B, n, H, n, G, n, D, n, n, types.boolean)

        def codegen(context, builder, signature, args):
            a, b, h, g, d = (address(context, builder, signature, args, at) for at in (0, 4, 6, 8, 10))
            zeros = [ir.Constant(ir.FloatType(), 0.0)] * rows
            sums = product(builder, vector, a, args[2:4], b, size(2 * vector), args[12], zeros)
            for place, total in enumerate(register for row in sums for register in row):
                at = place * vector
                before = load(builder, h, at, total.type)
                total = builder.select(args[13], builder.fadd(total, before), total)
                store(builder, h, at, total)
                store(builder, d, at, builder.fmul(total, load(builder, g, at, total.type)))
            return context.get_dummy_value()

        return signature, codegen

    return slope_tile


@inline_jit
def plain_silu_tile(A, a0, ak, ai, B, b0, bias, bias0, H, h0, G, g0, depth, residual, keep):
    """The tile of a hidden layer as a loop."""
    a, b, h, slope = A.ravel(), B.ravel(), H.ravel(), G.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            at, total = i * LANES + n, bias.ravel()[bias0 + i]
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * LANES + n]
            if total < -SILU_RANGE:
                total = np.float32(-SILU_RANGE)
            s = np.float32(1) / (np.float32(1) + np.exp(-total))
            h[h0 + at] = total * s
            if residual:
                h[h0 + at] += b[b0 + h0 + at]
            if keep:
                slope[g0 + at] = s + total * s * (np.float32(1) - s)


@inline_jit
def plain_slope_tile(A, a0, ak, ai, B, b0, H, h0, G, g0, D, d0, depth, residual):
    """The backward tile of a hidden layer as a loop."""
    a, b, h, slope, d = A.ravel(), B.ravel(), H.ravel(), G.ravel(), D.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            at, total = i * LANES + n, np.float32(0)
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * LANES + n]
            h[h0 + at] = total + h[h0 + at] if residual else total
            d[d0 + at] = h[h0 + at] * slope[g0 + at]


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    silu_tile, slope_tile = plain_silu_tile, plain_slope_tile
else:
    silu_tile, slope_tile = make_silu_tile(ROWS, VECTOR), make_slope_tile(ROWS, VECTOR)
