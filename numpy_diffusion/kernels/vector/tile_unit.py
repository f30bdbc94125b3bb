"""The processor's unit for tiles of bfloat16 numbers (Intel's AMX): 16 x 32 times 32 x 16 in one instruction.

It has eight registers of 16 rows of 64 bytes.  An instruction adds to c [16, 16], float32, the product of a [16, 32]
and b [32, 16], pairs of bfloat16 numbers in the words of float32 arrays (`bfloat16`), so that b has 16 rows of 16
words.  The numbers that stand first in their pairs and those that stand second have a sum each, of 16 terms one by
one, rounded to float32; what is added to c is the sum of these two (`layers.bfloat16.tile_product`).  So the bits
are others than those of the vector registers' pairs.  Numbers below 2^-126 count for zero, and are given for zero.

A product takes 16 cycles, and its sum is there after 52: four sums, 2 x 2 tiles of c, keep the unit busy, and each
tile of a and of b then serves two products.  Before, the thread has to say how large the tiles are, `configure`, and
behind, `release` spares the system their contents.  All are whole: LLVM, to which a register is as good as another,
may exchange one for another.  It takes its functions for this unit for calls that may read and write any
memory, so that all stays in order.

Where the processor lacks the unit, or the system the permission (`registers.TILES`), none of this may be compiled:
there loops give its bits, for tests and to step through; what multiplies for good takes the registers' pairs.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.vector.bfloat16 import plain_first, plain_second
from numpy_diffusion.kernels.vector.registers import TILES, address, size

PIXELS = 16  # rows of a tile of a and c
PAIRS = 16  # words of a row of a, and rows of b
COLUMNS = 32  # of two tiles of b, side by side
SUMS, LEFT, RIGHT = (0, 1, 2, 3), (4, 5), (6, 7)  # the registers: c [2, 2], a [2] and b [2]
BYTE = ir.IntType(8)
# What says so: the kind of division, 1; from byte 16 on the bytes of a row, two bytes each; from 48 on the rows.
CONFIGURATION = [1, *[0] * 15, *[64, 0] * 8, *[0] * 16, *[16] * 8, *[0] * 8]


def _instruct(builder, name, *arguments):
    """Call LLVM's function for an instruction; plain numbers are those of registers."""
    values = [ir.Constant(BYTE, value) if isinstance(value, int) else value for value in arguments]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), values)


@intrinsic
def configure(typingctx):
    """configure(): this thread begins with whole tiles, with zeros in them."""

    def codegen(context, builder, signature, args):
        kind = ir.ArrayType(BYTE, len(CONFIGURATION))
        place = cgutils.alloca_once(builder, kind)
        builder.store(ir.Constant(kind, CONFIGURATION), place)
        _instruct(builder, "ldtilecfg", builder.bitcast(place, BYTE.as_pointer()))
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def release(typingctx):
    """release(): this thread is done with tiles."""

    def codegen(context, builder, signature, args):
        _instruct(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def tiles_product(typingctx, A, a0, a1, across, below, channels, B, b0, k, S, s0, s1, C, c0, c1, ldc):
    """The product of two strips of pixels with two tiles of weights:

        C[t, i, n] = S[t, n] + the sum over rows r and columns q of a window of k x k pixels, and words w < channels,
                     of A[t, i, r, q, w] * B[r, q, w, n],      t < 2, i < PIXELS, n < COLUMNS

    with A[t, i, r, q, w] at at + i * across + r * below + q * channels + w, B as it lies, COLUMNS words a row, from
    b0 on, S[t, n] at st + n and C[t, i, n] at ct + i * ldc + n.  channels is a multiple of PAIRS; of so many words
    all pixels of the window go by before the next: what neighbours have in common is then in the first cache.
    """
    n = types.intp
    signature = types.void(A, n, n, n, n, n, B, n, n, S, n, n, C, n, n, n)

    def codegen(context, builder, signature, args):
        across, below, channels, k, ldc = (args[at] for at in (3, 4, 5, 8, 15))
        left, start, to = ([address(context, builder, signature, args, at)] for at in (0, 9, 12))
        right, times, plus = address(context, builder, signature, args, 6), builder.mul, builder.add
        for pointers, first, second in ((left, 1, 2), (start, 10, 11), (to, 13, 14)):
            pointers.append(builder.gep(pointers[0], [builder.sub(args[second], args[first])]))
        sums = [(SUMS[2 * t + n], t, n) for t in range(2) for n in range(2)]
        for tile, t, n in sums:  # the same in each row
            _instruct(builder, "tileloadd64", tile, *_rows(builder, start[t], size(PAIRS * n), size(0)))
        with cgutils.for_range(builder, builder.udiv(channels, size(PAIRS))) as some:
            word = times(some.index, size(PAIRS))
            with cgutils.for_range(builder, k) as row, cgutils.for_range(builder, k) as column:
                here = plus(word, plus(times(row.index, below), times(column.index, channels)))
                pixel = plus(times(row.index, k), column.index)
                there = times(plus(times(pixel, channels), word), size(COLUMNS))
                for t in range(2):
                    _instruct(builder, "tileloadd64", LEFT[t], *_rows(builder, left[t], here, across))
                for n in range(2):
                    at = plus(there, size(PAIRS * n))
                    _instruct(builder, "tileloadd64", RIGHT[n], *_rows(builder, right, at, size(COLUMNS)))
                for tile, t, n in sums:
                    _instruct(builder, "tdpbf16ps", tile, LEFT[t], RIGHT[n])
        for tile, t, n in sums:
            _instruct(builder, "tilestored64", tile, *_rows(builder, to[t], size(PAIRS * n), ldc))
        return context.get_dummy_value()

    return signature, codegen


def _rows(builder, pointer, words, apart):
    """pointer[words] as the address of bytes, and how many bytes rows are apart."""
    at = builder.bitcast(builder.gep(pointer, [words]), BYTE.as_pointer())
    return at, builder.mul(apart, size(4))


@inline_jit
def plain_configure():
    """Loops need none."""


@jit
def plain_tiles_product(A, a0, a1, across, below, channels, B, b0, k, S, s0, s1, C, c0, c1, ldc):
    """The same as loops."""
    left, right = A.view(np.uint32), B.view(np.uint32)
    for a, s, c in ((a0, s0, c0), (a1, s1, c1)):
        for i in range(PIXELS):
            for n in range(COLUMNS):
                total = S[s + n]
                for w in range(0, channels, PAIRS):
                    for pixel in range(k * k):
                        x = a + i * across + pixel // k * below + pixel % k * channels + w
                        y = b0 + (pixel * channels + w) * COLUMNS + n
                        first = second = np.float32(0)
                        for p in range(PAIRS):
                            one, other = left[x + p], right[y + p * COLUMNS]
                            first += plain_first(one) * plain_first(other)
                            second += plain_second(one) * plain_second(other)
                        total += first + second
                C[c + i * ldc + n] = total


if not TILES:
    configure = release = plain_configure
    tiles_product = plain_tiles_product
