"""The tile of a convolution, whose sums go over several runs of memory, one for each row of its window."""

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import (
    LANES,
    ROWS,
    VECTOR,
    accumulate,
    address,
    along,
    fma,
    load,
    size,
    slots,
    store,
)


def make_runs_tile(rows, vector, registers=2, multiply=fma):
    """The intrinsic runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth).

        C[i, n] = S[i, n] + sum over r < runs, k < depth of A[r, k, i] * B[r, k, n],
    with A[r, k, i] at a0 + r * arun + k * ak + i * ai, B[r, k, n] at b0 + r * brun + k * ldb + n, and the start
    S[i, n] at s0 + i * lds + n: with lds = 0 one bias for all rows, with S the array C itself an update in place.
    """

    @intrinsic
    def runs_tile(typingctx, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
        n = types.intp
        signature = types.void(A, n, n, n, n, B, n, n, n, S, n, n, C, n, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, s, c = (address(context, builder, signature, args, at) for at in (0, 5, 9, 12))
            register = ir.VectorType(ir.FloatType(), vector)
            sums = []
            for i in range(rows):
                row = builder.gep(s, [builder.mul(size(i), args[11])])
                sums.append(slots(builder, [load(builder, row, n * vector, register) for n in range(registers)]))
            with cgutils.for_range(builder, args[15]) as loop:
                arun = builder.gep(a, [builder.mul(loop.index, args[2])])
                brun = builder.gep(b, [builder.mul(loop.index, args[7])])
                arows = along(builder, arun, args[4], rows)
                accumulate(builder, vector, arows, args[3], brun, args[8], args[16], sums, multiply)
            for i, row_sums in enumerate(sums):
                row = builder.gep(c, [builder.mul(size(i), args[14])])
                for n, slot in enumerate(row_sums):
                    store(builder, row, n * vector, builder.load(slot))
            return context.get_dummy_value()

        return signature, codegen

    return runs_tile


def make_two_rows_tile(rows, vector, multiply=fma):
    """The intrinsic two_rows_tile(A, a0, arun, ak, ai, a1, B, b0, brun, ldb, S, s0, C, c0, ldc, c1, runs, depth).

    A `runs_tile` for images that are half as wide as it is high: its second half, of A and of C, lies a1 and c1
    numbers behind the first, in another row of the image.  The start is one bias for all, S[s0 + n].
    """

    @intrinsic
    def two_rows_tile(typingctx, A, a0, arun, ak, ai, a1, B, b0, brun, ldb, S, s0, C, c0, ldc, c1, runs, depth):
        n, half = types.intp, rows // 2
        signature = types.void(A, n, n, n, n, n, B, n, n, n, S, n, C, n, n, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, s, c = (address(context, builder, signature, args, at) for at in (0, 6, 10, 12))
            register = ir.VectorType(ir.FloatType(), vector)
            bias = [load(builder, s, n * vector, register) for n in range(2)]
            sums = [slots(builder, bias) for _ in range(rows)]
            with cgutils.for_range(builder, args[16]) as loop:
                first = builder.gep(a, [builder.mul(loop.index, args[2])])
                brun = builder.gep(b, [builder.mul(loop.index, args[8])])
                halves = (first, builder.gep(first, [args[5]]))
                arows = [row for start in halves for row in along(builder, start, args[4], half)]
                accumulate(builder, vector, arows, args[3], brun, args[9], args[17], sums, multiply)
            targets = [row for at in (c, builder.gep(c, [args[15]])) for row in along(builder, at, args[14], half)]
            for target, row_sums in zip(targets, sums, strict=True):
                for n, slot in enumerate(row_sums):
                    store(builder, target, n * vector, builder.load(slot))
            return context.get_dummy_value()

        return signature, codegen

    return two_rows_tile


@inline_jit
def plain_runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    """The tile of a convolution as a loop."""
    _runs(ROWS, LANES, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth)


@inline_jit
def plain_narrow_runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    """The same of twice the rows and half the lanes."""
    _runs(2 * ROWS, VECTOR, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth)


@inline_jit
def plain_two_rows_tile(A, a0, arun, ak, ai, a1, B, b0, brun, ldb, S, s0, C, c0, ldc, c1, runs, depth):
    """The same in two halves, one after the other."""
    for half in range(2):
        a, c = a0 + half * a1, c0 + half * c1
        _runs(ROWS // 2, LANES, A, a, arun, ak, ai, B, b0, brun, ldb, S, s0, 0, C, c, ldc, runs, depth)


@inline_jit
def _runs(rows, lanes, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    a, b, start, c = A.ravel(), B.ravel(), S.ravel(), C.ravel()
    for i in range(rows):
        for n in range(lanes):
            total = start[s0 + i * lds + n]
            for r in range(runs):
                for k in range(depth):
                    total += a[a0 + r * arun + k * ak + i * ai] * b[b0 + r * brun + k * ldb + n]
            c[c0 + i * ldc + n] = total


@inline_jit
def plain_low_runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    """The same of half the rows."""
    _runs(ROWS // 2, LANES, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth)


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    runs_tile, narrow_runs_tile, two_rows_tile = plain_runs_tile, plain_narrow_runs_tile, plain_two_rows_tile
    low_runs_tile = plain_low_runs_tile
else:
    runs_tile, two_rows_tile = make_runs_tile(ROWS, VECTOR), make_two_rows_tile(ROWS, VECTOR)
    narrow_runs_tile = make_runs_tile(2 * ROWS, VECTOR, registers=1)  # for matrices of few columns
    low_runs_tile = make_runs_tile(ROWS // 2, VECTOR)  # for matrices of few rows
