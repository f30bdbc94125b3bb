"""The tiles in float64: those of a network of dense layers and of its derivative along a direction, for likelihoods.

A register holds half as many numbers as of float32, and a tile half as many lanes.
"""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.mlp import make_silu_tile
from numpy_diffusion.kernels.vector.registers import DOUBLE, ROWS, VECTOR, address, load, product, size, store
from numpy_diffusion.kernels.vector.tile import make_tile

LANES = VECTOR  # of a tile: two registers


def make_tangent_tile(rows, vector):
    """The intrinsic tangent_tile(A, a0, ak, ai, B, b0, G, g0, H, h0, depth, residual): along a direction, a layer.

        H[i, n] = G[i, n] * sum over k of A[k, i] * B[k, n], with G the slopes that `silu_tile` kept;
        where `residual`: H[i, n] += B[h0 + i, n].
    Rows of B, G and H lie LANES apart; h0 is the tile's offset in H and in B.
    """

    @intrinsic
    def tangent_tile(typingctx, A, a0, ak, ai, B, b0, G, g0, H, h0, depth, residual):
        n = types.intp
        signature = types.void(A, n, n, n, B, n, G, n, H, n, n, types.boolean)

        def codegen(context, builder, signature, args):
            a, b, g, h = (address(context, builder, signature, args, at) for at in (0, 4, 6, 8))
            zeros = [ir.Constant(a.type.pointee, 0.0)] * rows
            sums = product(builder, vector, a, args[2:4], b, size(2 * vector), args[10], zeros)
            places = [(place * vector, total) for place, total in enumerate(value for row in sums for value in row)]
            before = builder.gep(b, [args[9]])
            for at, total in places:
                along = builder.fmul(total, load(builder, g, at, total.type))
                added = builder.fadd(along, load(builder, before, at, total.type))
                store(builder, h, at, builder.select(args[11], added, along))
            return context.get_dummy_value()

        return signature, codegen

    return tangent_tile


@inline_jit
def plain_tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth):
    """The tile as a loop."""
    a, b, c = A.ravel(), B.ravel(), C.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            total = 0.0
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * ldb + n]
            c[c0 + i * ldc + n] = total


@inline_jit
def plain_silu_tile(A, a0, ak, ai, B, b0, bias, bias0, H, h0, G, g0, depth, residual, keep):
    """The tile of a hidden layer as a loop."""
    a, b, h, slope = A.ravel(), B.ravel(), H.ravel(), G.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            at, total = i * LANES + n, bias.ravel()[bias0 + i]
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * LANES + n]
            if total < -DOUBLE_RANGE:
                total = -DOUBLE_RANGE
            e = np.exp(-total)
            s = 1.0 / (1.0 + e)
            h[h0 + at] = total * s
            if residual:
                h[h0 + at] += b[b0 + h0 + at]
            if keep:
                slope[g0 + at] = s + total * s * e * s


@inline_jit
def plain_tangent_tile(A, a0, ak, ai, B, b0, G, g0, H, h0, depth, residual):
    """The tile along a direction as a loop."""
    a, b, g, h = A.ravel(), B.ravel(), G.ravel(), H.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            at, total = i * LANES + n, 0.0
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * LANES + n]
            h[h0 + at] = total * g[g0 + at]
            if residual:
                h[h0 + at] += b[b0 + h0 + at]


DOUBLE_RANGE = DOUBLE.range

if config.DISABLE_JIT:  # stepping through kernels with a debugger
    tile, silu_tile, tangent_tile = plain_tile, plain_silu_tile, plain_tangent_tile
else:
    tile, silu_tile = make_tile(ROWS, VECTOR // 2), make_silu_tile(ROWS, VECTOR // 2)
    tangent_tile = make_tangent_tile(ROWS, VECTOR // 2)
