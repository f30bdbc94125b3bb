"""The SIMD tile, on which everything dense stands, and the vector code that moves numbers about.

A processor's vector register holds VECTOR float32 numbers, and one fused multiply-add instruction works on all
of them.  A matrix product reaches the machine's peak only where the sums stay in registers: each number that is
loaded from memory must serve several multiply-adds.  The tile keeps ROWS x LANES sums in registers,

    C[i, n] = sum over k = 0..depth-1 of A[k, i] * B[k, n],       i < ROWS, n < LANES,

and for each k loads LANES numbers of B once (two registers) and ROWS numbers of A, each broadcast over a register:
10 loads for 16 multiply-adds with 512-bit registers.  A number of A is broadcast from wherever it lies, so a matrix
serves as it is or transposed, without being packed first.  Numba compiles loops, but has no way to say "these sums
are registers"; so the tile is written as LLVM instructions, by an intrinsic: a Python function that Numba calls
while it compiles, and that emits code.  The sums run over k in order, one multiply-add each, whatever the width
of the registers.  What only one kind of layer needs is in `mlp`, `runs`, `attention` and `sandwich` beside this file.
"""

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
    address,
    load,
    mask,
    product,
    register_bits,
    size,
    store,
)


def make_tile(rows, vector):
    """The intrinsic tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth) for `rows` x 2 registers of `vector` numbers.

    A, B, C are contiguous arrays of any shape, all float32, or float64 with half the `vector`.  A[k, i] lies at
    a0 + k * ak + i * ai, B[k, n] at b0 + k * ldb + n, C[i, n] at c0 + i * ldc + n, all counted in numbers.
    Nothing is checked.
    """

    @intrinsic
    def tile(typingctx, A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth):
        n = types.intp
        signature = types.void(A, n, n, n, B, n, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, c = (address(context, builder, signature, args, at) for at in (0, 4, 7))
            zeros = [ir.Constant(a.type.pointee, 0.0)] * rows
            sums = product(builder, vector, a, args[2:4], b, args[6], args[10], zeros)
            for i in range(rows):
                row = builder.gep(c, [builder.mul(size(i), args[9])])
                for n in range(2):
                    store(builder, row, n * vector, sums[i][n])
            return context.get_dummy_value()

        return signature, codegen

    return tile


def make_transpose(vector):
    """The intrinsic transpose(A, a0, lda, C, c0, ldc): C[i, k] = A[k, i] for a block of `vector` x `vector`."""

    @intrinsic
    def transpose(typingctx, A, a0, lda, C, c0, ldc):
        sizes = types.intp
        signature = types.void(A, sizes, sizes, C, sizes, sizes)

        def codegen(context, builder, signature, args):
            a, c = (address(context, builder, signature, args, at) for at in (0, 3))
            register = ir.VectorType(ir.FloatType(), vector)
            rows = [
                load(builder, builder.gep(a, [builder.mul(size(k), args[2])]), 0, register) for k in range(vector)
            ]
            distance = vector // 2
            while distance:  # swap off-diagonal blocks of half the size, then of a quarter, and so on
                keep = [n if not n & distance else n - distance + vector for n in range(vector)]
                swap = [n + distance if not n & distance else n + vector for n in range(vector)]
                for k in (k for k in range(vector) if not k & distance):
                    low, high = rows[k], rows[k + distance]
                    rows[k] = builder.shuffle_vector(low, high, mask(keep))
                    rows[k + distance] = builder.shuffle_vector(low, high, mask(swap))
                distance //= 2
            for i in range(vector):
                store(builder, builder.gep(c, [builder.mul(size(i), args[5])]), 0, rows[i])
            return context.get_dummy_value()

        return signature, codegen

    return transpose


def make_move(vector):
    """The intrinsic move(A, a0, C, c0, n, add): C = A, where `add` C += A, of n numbers, a multiple of `vector`."""

    @intrinsic
    def move(typingctx, A, a0, C, c0, n, add):
        signature = types.void(A, types.intp, C, types.intp, types.intp, types.boolean)

        def codegen(context, builder, signature, args):
            a, c = (address(context, builder, signature, args, at) for at in (0, 2))
            register = ir.VectorType(ir.FloatType(), vector)
            with cgutils.for_range(builder, builder.udiv(args[4], size(vector))) as loop:
                at = builder.mul(loop.index, size(vector))
                source, target = (builder.gep(pointer, [at]) for pointer in (a, c))
                value = load(builder, source, 0, register)
                with builder.if_else(args[5]) as (adding, copying):
                    with adding:
                        store(builder, target, 0, builder.fadd(load(builder, target, 0, register), value))
                    with copying:
                        store(builder, target, 0, value)
            return context.get_dummy_value()

        return signature, codegen

    return move


CACHE_LINE = 16  # numbers


def make_prefetch(write, near):
    """The intrinsic prefetch(A, a0, n): the n numbers from A[a0] on will be needed soon; the cache may fetch them.

    write: 1 if they will be written, 0 if read;  near: from 3, into the first cache, down to 0, into none.
    """

    @intrinsic
    def prefetch(typingctx, A, a0, n):
        signature = types.void(A, types.intp, types.intp)

        def codegen(context, builder, signature, args):
            a = address(context, builder, signature, args, 0)
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            flags = [ir.Constant(number, flag) for flag in (write, near, 1)]  # 1: data, not instructions
            with cgutils.for_range_slice(builder, size(0), args[2], size(CACHE_LINE)) as (index, _):
                builder.call(function, [builder.bitcast(builder.gep(a, [index]), byte), *flags])
            return context.get_dummy_value()

        return signature, codegen

    return prefetch


def make_use_full_registers(bits):
    """The intrinsic use_full_registers(): in the function that calls it first, loops fill the widest registers.

    LLVM holds 512-bit registers back, because early processors that had them slowed down; where a loop is all
    arithmetic it gains a third.  The function is compiled on its own, for in another it would lose the wish.
    """

    @intrinsic
    def use_full_registers(typingctx):
        def codegen(context, builder, signature, args):
            attributes = builder.function.attributes
            attributes.add("noinline")
            set.add(attributes, f'"prefer-vector-width"="{bits}"')  # llvmlite's own `add` knows no such attribute
            return context.get_dummy_value()

        return types.void(), codegen

    return use_full_registers


@inline_jit
def plain_tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth):
    """The tile as a loop: what it means, and what serves where there is no compiler."""
    a, b, c = A.ravel(), B.ravel(), C.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            total = np.float32(0)
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * ldb + n]
            c[c0 + i * ldc + n] = total


@inline_jit
def plain_transpose(A, a0, lda, C, c0, ldc):
    """The transpose as a loop."""
    a, c = A.ravel(), C.ravel()
    for k in range(VECTOR):
        for i in range(VECTOR):
            c[c0 + i * ldc + k] = a[a0 + k * lda + i]


@inline_jit
def plain_move(A, a0, C, c0, n, add):
    """The move as a loop."""
    a, c = A.ravel(), C.ravel()
    for i in range(n):
        c[c0 + i] = c[c0 + i] + a[a0 + i] if add else a[a0 + i]


def plain_prefetch(A, a0, n):
    """Nothing to fetch where there is no compiler."""


def plain_use_full_registers():
    """Nothing to wish for where there is no compiler."""


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    tile, transpose, move, use_full_registers = plain_tile, plain_transpose, plain_move, plain_use_full_registers
    prefetch_to_write = prefetch_to_read = plain_prefetch
else:
    tile, transpose, move = make_tile(ROWS, VECTOR), make_transpose(VECTOR), make_move(VECTOR)
    use_full_registers = make_use_full_registers(register_bits())
    prefetch_to_write, prefetch_to_read = make_prefetch(1, 3), make_prefetch(0, 2)
