"""Pairs of bfloat16 numbers in the words of float32 arrays, and the tiles whose products are of pairs.

A bfloat16 number is the upper half of a float32 number: its range, with 8 significant bits.  Two of them lie in one
word of a float32 array, the first in its lower half.  One instruction does for registers of words

    c + a[1] b[1] + a[0] b[0],        each product exact, each sum rounded to float32, from the left,

what a fused multiply-add does for float32 numbers, and at the same pace: so twice the products.  The tiles are those
of `runs`, with pairs of neighbouring input channels where those have channels; some processors have a unit of larger
tiles, see `tile_unit`.  Where the processor has no such instruction (`registers.PAIRS`), two multiply-adds give the
same bits.

Rounding is to nearest, ties to even; a number below 2^-126 becomes a zero of its sign, as the instructions have it.
A sum below 2^-126 is zero to them, and multiply-adds keep it: that alone may be other bits, where all terms are tiny.
"""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import (
    LANES,
    PAIRS,
    ROWS,
    VECTOR,
    WIDEST_VECTOR,
    address,
    fma,
    joined,
    load,
    mask,
    parted,
    size,
    store,
)
from numpy_diffusion.kernels.vector.runs import make_runs_tile, make_two_rows_tile

HALF, UPPER = 16, 0xFFFF0000  # bits of a number, and where in a word the second one is
EXPONENT, SIGN = 0x7F800000, 0x80000000  # in a float32 number's word; an exponent of 0 is a number below 2^-126
WORD, FLOAT = ir.IntType(32), ir.FloatType()


class _BFloat16(ir.Type):
    """LLVM's own type, which llvmlite does not know."""

    def _to_string(self):
        return "bfloat"

    def __eq__(self, other):
        return isinstance(other, _BFloat16)

    def __hash__(self):
        return hash(_BFloat16)


def _all(kind, value):
    """A register of integers of this kind with `value` in each place."""
    return ir.Constant(kind, [value] * kind.count)


def _whole(register, registers=1):
    """Whether the processor's instructions are there for so many registers, one behind the other, of this type."""
    return PAIRS and register.count == registers * WIDEST_VECTOR


def add_products(builder, a, b, c):
    """c + the second products + the first ones, of the pairs in registers a and b."""
    if _whole(c.type):
        pairs = ir.VectorType(_BFloat16(), 2 * c.type.count)
        kind = ir.FunctionType(c.type, [c.type, pairs, pairs])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
        return builder.call(function, [c, builder.bitcast(a, pairs), builder.bitcast(b, pairs)])
    for half in (second, first):
        c = fma(builder, half(builder, a), half(builder, b), c)
    return c


def first(builder, pairs):
    """The first numbers of a register of words."""
    words = ir.VectorType(WORD, pairs.type.count)
    return builder.bitcast(builder.shl(builder.bitcast(pairs, words), _all(words, HALF)), pairs.type)


def second(builder, pairs):
    """The second ones."""
    words = ir.VectorType(WORD, pairs.type.count)
    return builder.bitcast(builder.and_(builder.bitcast(pairs, words), _all(words, UPPER)), pairs.type)


def packed(builder, value):
    """The numbers of a register, or of two, rounded: half as many words."""
    count = value.type.count
    words, to = ir.VectorType(WORD, count), ir.VectorType(FLOAT, count // 2)
    if _whole(value.type):
        halves = ir.VectorType(_BFloat16(), count)
        kind = ir.FunctionType(halves, [value.type])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.cvtneps2bf16.512")
        return builder.bitcast(builder.call(function, [value]), to)
    if _whole(value.type, 2):
        halves = ir.VectorType(_BFloat16(), count)
        kind = ir.FunctionType(halves, [ir.VectorType(FLOAT, count // 2)] * 2)
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.cvtne2ps2bf16.512")
        return builder.bitcast(builder.call(function, parted(builder, value, 2)[::-1]), to)
    bits = builder.bitcast(value, words)
    odd = builder.and_(builder.lshr(bits, _all(words, HALF)), _all(words, 1))
    rounded = builder.add(bits, builder.add(odd, _all(words, 0x7FFF)))
    quiet = builder.or_(bits, _all(words, 0x400000))  # what is no number stays none
    rounded = builder.select(builder.fcmp_unordered("uno", value, value), quiet, rounded)
    tiny = builder.icmp_unsigned("==", builder.and_(bits, _all(words, EXPONENT)), _all(words, 0))
    rounded = builder.select(tiny, builder.and_(bits, _all(words, SIGN)), rounded)
    halves = builder.trunc(builder.lshr(rounded, _all(words, HALF)), ir.VectorType(ir.IntType(HALF), count))
    return builder.bitcast(halves, to)


def side_by_side(builder, value):
    """Words of two numbers each, rounded: one of the lower half of what `joined` makes, and one of the upper."""
    count = value.type.count
    numbers = builder.bitcast(packed(builder, value), ir.VectorType(ir.IntType(HALF), count))
    order = [n // 2 + n % 2 * (count // 2) for n in range(count)]
    pairs = builder.shuffle_vector(numbers, numbers, mask(order))
    return builder.bitcast(pairs, ir.VectorType(FLOAT, count // 2))


def make_round(vector):
    """The intrinsic round_pairs(A, a0, C, c0, n): the n numbers from A[a0] on, rounded, as n / 2 words from C[c0] on.

    n is a multiple of `vector`.
    """

    @intrinsic
    def round_pairs(typingctx, A, a0, C, c0, n):
        signature = types.void(A, types.intp, C, types.intp, types.intp)

        def codegen(context, builder, signature, args):
            a, c = (address(context, builder, signature, args, at) for at in (0, 2))
            with cgutils.for_range(builder, builder.udiv(args[4], size(vector))) as loop:
                source = builder.gep(a, [builder.mul(loop.index, size(vector))])
                target = builder.gep(c, [builder.mul(loop.index, size(vector // 2))])
                store(builder, target, 0, packed(builder, load(builder, source, 0, ir.VectorType(FLOAT, vector))))
            return context.get_dummy_value()

        return signature, codegen

    return round_pairs


def make_round_rows(vector):
    """The intrinsic round_rows(A, a0, a1, C, c0, n): n words from C[c0] on, of the numbers from A[a0] and A[a1] on.

    They are rounded and stand side by side; n is a multiple of `vector`.
    """

    @intrinsic
    def round_rows(typingctx, A, a0, a1, C, c0, n):
        signature = types.void(A, types.intp, types.intp, C, types.intp, types.intp)

        def codegen(context, builder, signature, args):
            a, c = (address(context, builder, signature, args, at) for at in (0, 3))
            beside = builder.gep(a, [builder.sub(args[2], args[1])])
            register = ir.VectorType(FLOAT, vector)
            with cgutils.for_range(builder, builder.udiv(args[5], size(vector))) as loop:
                at = builder.mul(loop.index, size(vector))
                rows = [load(builder, builder.gep(row, [at]), 0, register) for row in (a, beside)]
                store(builder, builder.gep(c, [at]), 0, side_by_side(builder, joined(builder, rows)))
            return context.get_dummy_value()

        return signature, codegen

    return round_rows


@inline_jit
def bits(value):
    """The word of a float32 number rounded to bfloat16: the number is in its upper half, and the lower is 0."""
    word = np.float32(value).view(np.uint32)
    if value != value:
        return (word | np.uint32(0x400000)) & np.uint32(UPPER)
    if not word & np.uint32(EXPONENT):
        return word & np.uint32(SIGN)
    return (word + np.uint32(0x7FFF) + (word >> np.uint32(HALF) & np.uint32(1))) & np.uint32(UPPER)


@inline_jit
def plain_round_rows(A, a0, a1, C, c0, n):
    """The rounding of two rows as a loop."""
    a, words = A.ravel(), C.ravel().view(np.uint32)
    for i in range(n):
        words[c0 + i] = bits(a[a0 + i]) >> np.uint32(HALF) | bits(a[a1 + i])


@inline_jit
def plain_round_pairs(A, a0, C, c0, n):
    """The rounding of a row as a loop."""
    a, c = A.ravel(), C.ravel().view(np.uint32)
    for i in range(n // 2):
        c[c0 + i] = bits(a[a0 + 2 * i]) >> np.uint32(HALF) | bits(a[a0 + 2 * i + 1])


@inline_jit
def plain_first(word):
    """The first number of a word, an integer."""
    return np.uint32(word << np.uint32(HALF)).view(np.float32)


@inline_jit
def plain_second(word):
    """The second one."""
    return np.uint32(word & np.uint32(UPPER)).view(np.float32)


@inline_jit
def _plain(rows, lanes, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    a, b = A.ravel().view(np.uint32), B.ravel().view(np.uint32)
    start, c = S.ravel(), C.ravel()
    for i in range(rows):
        for n in range(lanes):
            total = start[s0 + i * lds + n]
            for r in range(runs):
                for k in range(depth):
                    left, right = a[a0 + r * arun + k * ak + i * ai], b[b0 + r * brun + k * ldb + n]
                    total += plain_second(left) * plain_second(right)
                    total += plain_first(left) * plain_first(right)
            c[c0 + i * ldc + n] = total


@inline_jit
def plain_pairs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    """The tile of pairs as a loop."""
    _plain(ROWS, LANES, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth)


@inline_jit
def plain_low_pairs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    """The same of half the rows."""
    _plain(ROWS // 2, LANES, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth)


@inline_jit
def plain_two_rows_of_pairs(A, a0, arun, ak, ai, a1, B, b0, brun, ldb, S, s0, C, c0, ldc, c1, runs, depth):
    """The same in two halves, one after the other."""
    for half in range(2):
        a, c = a0 + half * a1, c0 + half * c1
        _plain(ROWS // 2, LANES, A, a, arun, ak, ai, B, b0, brun, ldb, S, s0, 0, C, c, ldc, runs, depth)


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    round_pairs, round_rows = plain_round_pairs, plain_round_rows
    pairs_tile, two_rows_of_pairs, low_pairs_tile = plain_pairs_tile, plain_two_rows_of_pairs, plain_low_pairs_tile
else:
    round_pairs, round_rows = make_round(VECTOR), make_round_rows(VECTOR)
    pairs_tile = make_runs_tile(ROWS, VECTOR, multiply=add_products)
    low_pairs_tile = make_runs_tile(ROWS // 2, VECTOR, multiply=add_products)
    two_rows_of_pairs = make_two_rows_tile(ROWS, VECTOR, multiply=add_products)
