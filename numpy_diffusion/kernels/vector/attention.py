"""The vector code of attention: its softmax, and the two products of its gradient that the tile does not do."""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import (
    LANES,
    ROWS,
    VECTOR,
    WIDEST_VECTOR,
    accumulate,
    address,
    along,
    exp_minus,
    fma,
    like,
    load,
    mask,
    size,
    slots,
    store,
)


def inner_rows(vector):
    """Rows of the inner tile, whose sums fill the registers of `vector` numbers: 16 of 32 registers, or 8 of 16."""
    return 8 if vector == WIDEST_VECTOR else 2


INNER_ROWS = inner_rows(VECTOR)
CHAINS = 4  # of comparisons, beside each other


def make_exp_columns(vector):
    """The intrinsic exp_columns(A, a0, lda, rows, S, s0): A = exp(A - the highest of its column), S = 1 / their sum.

    LANES columns; A over its sum is the column's softmax.
    """

    @intrinsic
    def exp_columns(typingctx, A, a0, lda, rows, S, s0):
        n = types.intp
        signature = types.void(A, n, n, n, S, n)

        def codegen(context, builder, signature, args):
            a, s = (address(context, builder, signature, args, at) for at in (0, 4))
            register = ir.VectorType(ir.FloatType(), vector)
            tops = _highest(builder, a, args[2], args[3], [load(builder, a, n * vector, register) for n in range(2)])
            sums = _exponentials(builder, a, args[2], args[3], tops, [like(top, 0.0) for top in tops])
            for n, total in enumerate(sums):
                store(builder, s, n * vector, builder.fdiv(like(total, 1.0), total))
            return context.get_dummy_value()

        return signature, codegen

    return exp_columns


def make_exp_more(vector):
    """The intrinsic exp_more(A, a0, lda, rows, S, s0): A = exp(A - top), for a softmax whose rows come in blocks.

    Of the LANES columns, with those of earlier blocks, S keeps one behind the other: the highest, `top`; the sum of
    the exponentials; and the factor that those of earlier blocks have to be multiplied by, because `top` has risen.
    """

    @intrinsic
    def exp_more(typingctx, A, a0, lda, rows, S, s0):
        n = types.intp
        signature = types.void(A, n, n, n, S, n)

        def codegen(context, builder, signature, args):
            a, s = (address(context, builder, signature, args, at) for at in (0, 4))
            register = ir.VectorType(ir.FloatType(), vector)
            before = [load(builder, s, n * vector, register) for n in range(2)]
            tops = _highest(builder, a, args[2], args[3], before)
            factors = [exp_minus(builder, builder.fsub(top, old)) for top, old in zip(tops, before, strict=True)]
            so_far = [load(builder, s, (2 + n) * vector, register) for n in range(2)]
            sums = [builder.fmul(value, factor) for value, factor in zip(so_far, factors, strict=True)]
            sums = _exponentials(builder, a, args[2], args[3], tops, sums)
            for n, value in enumerate([*tops, *sums, *factors]):
                store(builder, s, n * vector, value)
            return context.get_dummy_value()

        return signature, codegen

    return exp_more


def _higher(builder, x, y):
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def _highest(builder, a, lda, rows, start):
    """Two registers: the highest of their columns over the rows, and of the start; CHAINS rows are gone through at a
    time, since each comparison waits for the one before."""
    register, vector = start[0].type, start[0].type.count
    chains = [slots(builder, start) for _ in range(CHAINS)]
    whole = builder.udiv(rows, size(CHAINS))
    with cgutils.for_range(builder, whole) as loop:
        first = builder.mul(loop.index, size(CHAINS))
        for i, chain in enumerate(chains):
            row = builder.gep(a, [builder.mul(builder.add(first, size(i)), lda)])
            for n, slot in enumerate(chain):
                builder.store(_higher(builder, builder.load(slot), load(builder, row, n * vector, register)), slot)
    with cgutils.for_range_slice(builder, builder.mul(whole, size(CHAINS)), rows, size(1)) as (index, _):
        row = builder.gep(a, [builder.mul(index, lda)])
        for n, slot in enumerate(chains[0]):
            builder.store(_higher(builder, builder.load(slot), load(builder, row, n * vector, register)), slot)
    found = [builder.load(slot) for slot in chains[0]]
    for chain in chains[1:]:
        found = [_higher(builder, top, builder.load(slot)) for top, slot in zip(found, chain, strict=True)]
    return found


def _exponentials(builder, a, lda, rows, tops, start):
    """Each number of the rows becomes exp(itself - the top of its column); start + the sums over the rows."""
    register, vector = start[0].type, start[0].type.count
    sums = slots(builder, start)
    with cgutils.for_range(builder, rows) as loop:
        row = builder.gep(a, [builder.mul(loop.index, lda)])
        for n, (top, slot) in enumerate(zip(tops, sums, strict=True)):
            value = exp_minus(builder, builder.fsub(top, load(builder, row, n * vector, register)))
            builder.store(builder.fadd(builder.load(slot), value), slot)
            store(builder, row, n * vector, value)
    return [builder.load(slot) for slot in sums]


def make_scaled_tile(rows, vector):
    """The intrinsic scaled_tile(A, a0, ak, ai, B, b0, ldb, S, s0, E, e0, C, c0, ldc, depth): the tile, then times E.

    C[i, n] = E[i, n] * (S[n] + sum over k of A[k, i] * B[k, n]),    E[i, n] at e0 + i * ldc + n, S[n] at s0 + n
    """

    @intrinsic
    def scaled_tile(typingctx, A, a0, ak, ai, B, b0, ldb, S, s0, E, e0, C, c0, ldc, depth):
        n = types.intp
        signature = types.void(A, n, n, n, B, n, n, S, n, E, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, s, e, c = (address(context, builder, signature, args, at) for at in (0, 4, 7, 9, 11))
            register = ir.VectorType(ir.FloatType(), vector)
            start = [load(builder, s, n * vector, register) for n in range(2)]
            sums = [slots(builder, start) for _ in range(rows)]
            accumulate(builder, vector, along(builder, a, args[3], len(sums)), args[2], b, args[6], args[14], sums)
            for i, row_sums in enumerate(sums):
                row = builder.mul(size(i), args[13])
                scales, to = builder.gep(e, [row]), builder.gep(c, [row])
                for n, slot in enumerate(row_sums):
                    scale = load(builder, scales, n * vector, register)
                    store(builder, to, n * vector, builder.fmul(scale, builder.load(slot)))
            return context.get_dummy_value()

        return signature, codegen

    return scaled_tile


def make_inner_tile(rows):
    """The intrinsic inner_tile(A, a0, lda, B, b0, ldb, C, c0, ldc, depth), the sum along the registers:

        C[j, i] = sum over n of A[i, n] * B[j, n],    i < rows, j < 2,

    with A[i, n] at a0 + i * lda + n, B and C likewise; depth is a multiple of WIDEST_VECTOR.  Each sum is kept in so
    many places, on narrower machines in several registers, so that its bits are the same; at the end these come
    together by halves until each place holds one of the sums.
    """

    @intrinsic
    def inner_tile(typingctx, A, a0, lda, B, b0, ldb, C, c0, ldc, depth):
        n = types.intp
        signature = types.void(A, n, n, B, n, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, c = (address(context, builder, signature, args, at) for at in (0, 3, 6))
            vector = WIDEST_VECTOR
            register = ir.VectorType(ir.FloatType(), vector)
            sums = slots(builder, [ir.Constant(register, [0.0] * vector)] * (2 * rows))
            starts = [builder.gep(a, [builder.mul(size(i), args[2])]) for i in range(rows)]
            starts += [builder.gep(b, [builder.mul(size(j), args[5])]) for j in range(2)]
            with cgutils.for_range(builder, builder.udiv(args[9], size(vector))) as loop:
                at = builder.mul(loop.index, size(vector))
                *left, first, second = (load(builder, builder.gep(start, [at]), 0, register) for start in starts)
                for right, half in ((first, sums[:rows]), (second, sums[rows:])):
                    for value, slot in zip(left, half, strict=True):
                        builder.store(fma(builder, value, right, builder.load(slot)), slot)
            total = _totals(builder, [builder.load(slot) for slot in sums] * (vector // (2 * rows)))
            for j in range(2):
                part = builder.shuffle_vector(total, total, mask(list(range(j * rows, (j + 1) * rows))))
                store(builder, builder.gep(c, [builder.mul(size(j), args[8])]), 0, part)
            return context.get_dummy_value()

        return signature, codegen

    return inner_tile


def _totals(builder, registers):
    """One register: in each place the sum over one of the registers, as many as it has places."""
    distance = 1
    while len(registers) > 1:
        places = registers[0].type.count
        low = [n + (0 if n // distance % 2 == 0 else places - distance) for n in range(places)]
        high = [n + (distance if n // distance % 2 == 0 else places) for n in range(places)]
        registers = [
            builder.fadd(builder.shuffle_vector(x, y, mask(low)), builder.shuffle_vector(x, y, mask(high)))
            for x, y in zip(registers[::2], registers[1::2], strict=True)
        ]
        distance *= 2
    return registers[0]


@inline_jit
def plain_exp_columns(A, a0, lda, rows, S, s0):
    """The exponentials of a softmax as a loop."""
    a, s = A.ravel(), S.ravel()
    for n in range(LANES):
        top = a[a0 + n]
        for r in range(rows):
            top = max(top, a[a0 + r * lda + n])
        total = np.float32(0)
        for r in range(rows):
            value = np.exp(a[a0 + r * lda + n] - top)
            a[a0 + r * lda + n] = value
            total += value
        s[s0 + n] = np.float32(1) / total


@inline_jit
def plain_exp_more(A, a0, lda, rows, S, s0):
    """The exponentials of one block of a softmax as a loop."""
    a, s = A.ravel(), S.ravel()
    for n in range(s0, s0 + LANES):
        before, column = s[n], a0 + n - s0
        top = before
        for r in range(rows):
            top = max(top, a[column + r * lda])
        factor = np.exp(before - top)
        total = s[n + LANES] * factor
        for r in range(rows):
            value = np.exp(a[column + r * lda] - top)
            a[column + r * lda] = value
            total += value
        s[n], s[n + LANES], s[n + 2 * LANES] = top, total, factor


@inline_jit
def plain_scaled_tile(A, a0, ak, ai, B, b0, ldb, S, s0, E, e0, C, c0, ldc, depth):
    """The tile and what scales it as a loop."""
    a, b, s, e, c = A.ravel(), B.ravel(), S.ravel(), E.ravel(), C.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            total = s[s0 + n]
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * ldb + n]
            c[c0 + i * ldc + n] = e[e0 + i * ldc + n] * total


@inline_jit
def plain_inner_tile(A, a0, lda, B, b0, ldb, C, c0, ldc, depth):
    """The sums along the registers as a loop."""
    a, b, c = A.ravel(), B.ravel(), C.ravel()
    for j in range(2):
        for i in range(INNER_ROWS):
            total = np.float32(0)
            for n in range(depth):
                total += a[a0 + i * lda + n] * b[b0 + j * ldb + n]
            c[c0 + j * ldc + i] = total


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    exp_columns, exp_more = plain_exp_columns, plain_exp_more
    scaled_tile, inner_tile = plain_scaled_tile, plain_inner_tile
else:
    exp_columns, exp_more = make_exp_columns(VECTOR), make_exp_more(VECTOR)
    scaled_tile = make_scaled_tile(ROWS, VECTOR)
    inner_tile = make_inner_tile(INNER_ROWS)
