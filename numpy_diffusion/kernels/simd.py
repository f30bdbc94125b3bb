"""The SIMD tile: the one place with LLVM vector code, on which everything dense stands.

A processor's vector register holds VECTOR float32 numbers, and one fused multiply-add instruction works on all
of them.  A matrix product reaches the machine's peak only where the sums stay in registers: each number that is
loaded from memory must serve several multiply-adds.  The tile keeps ROWS x LANES sums in registers,

    C[i, n] = sum over k = 0..depth-1 of A[k, i] * B[k, n],       i < ROWS, n < LANES,

and for each k loads LANES numbers of B once (two registers) and ROWS numbers of A, each spread over a register:
10 loads for 16 multiply-adds with 512-bit registers.  A number of A is spread from wherever it lies, so a matrix
serves as it is or transposed, without being packed first.  Numba compiles loops, but has no way to say "these sums
are registers"; so the tile is written as LLVM instructions, by an intrinsic: a Python function that Numba calls
while it compiles, and that emits code.  The sums run over k in order, one multiply-add each, whatever the width
of the registers.
"""

import math
import os

import numpy as np
from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit

_SHAPES = {512: (8, 16), 256: (4, 8), 128: (4, 4)}  # register bits: rows, float32 numbers a register


def register_bits():
    """Width of this machine's vector registers: 512, 256 or 128 bits; NUMPY_DIFFUSION_SIMD overrides it."""
    wanted = os.environ.get("NUMPY_DIFFUSION_SIMD")
    if wanted:
        if wanted not in map(str, _SHAPES):
            raise ValueError(f"NUMPY_DIFFUSION_SIMD: expected one of 512, 256, 128, got {wanted!r}")
        return int(wanted)
    features = binding.get_host_cpu_features()
    return 512 if features.get("avx512f") else 256 if features.get("avx2") else 128


ROWS, VECTOR = _SHAPES[register_bits()]
LANES = 2 * VECTOR


def make_tile(rows, vector, registers=2):
    """The intrinsic tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth) for `rows` x `registers` of `vector` numbers.

    A, B, C are contiguous float32 arrays of any shape.  A[k, i] lies at a0 + k * ak + i * ai, B[k, n] at
    b0 + k * ldb + n, C[i, n] at c0 + i * ldc + n, all counted in numbers.  Nothing is checked.
    """

    @intrinsic
    def tile(typingctx, A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth):
        n = types.intp
        signature = types.void(A, n, n, n, B, n, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, c = (_address(context, builder, signature, args, at) for at in (0, 4, 7))
            zeros = [ir.Constant(ir.FloatType(), 0.0)] * rows
            sums = _product(builder, vector, a, args[2:4], b, args[6], args[10], zeros, registers)
            for i in range(rows):
                row = builder.gep(c, [builder.mul(_size(i), args[9])])
                for n in range(registers):
                    _store(builder, row, n * vector, sums[i][n])
            return context.get_dummy_value()

        return signature, codegen

    return tile


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
            a, b, biases, h, g = (_address(context, builder, signature, args, at) for at in (0, 4, 6, 8, 10))
            start = [builder.load(builder.gep(biases, [_size(i)])) for i in range(rows)]
            sums = _product(builder, vector, a, args[2:4], b, _size(2 * vector), args[12], start)
            for i, n in ((i, n) for i in range(0, rows, 2) for n in range(2)):
                outputs, slopes = _silu_pair(builder, sums[i][n], sums[i + 1][n])
                places = [(2 * row + n) * vector for row in (i, i + 1)]
                for at, output in zip(places, outputs, strict=True):
                    _store(builder, h, at, output)
                with builder.if_then(args[13]):
                    before = builder.gep(b, [args[9]])
                    for at, output in zip(places, outputs, strict=True):
                        _store(builder, h, at, builder.fadd(output, _load(builder, before, at, output.type)))
                with builder.if_then(args[14]):
                    for at, slope in zip(places, slopes, strict=True):
                        _store(builder, g, at, slope)
            return context.get_dummy_value()

        return signature, codegen

    return silu_tile


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
            a, b, h, g, d = (_address(context, builder, signature, args, at) for at in (0, 4, 6, 8, 10))
            zeros = [ir.Constant(ir.FloatType(), 0.0)] * rows
            sums = _product(builder, vector, a, args[2:4], b, _size(2 * vector), args[12], zeros)
            for place, total in enumerate(register for row in sums for register in row):
                at = place * vector
                before = _load(builder, h, at, total.type)
                total = builder.select(args[13], builder.fadd(total, before), total)
                _store(builder, h, at, total)
                _store(builder, d, at, builder.fmul(total, _load(builder, g, at, total.type)))
            return context.get_dummy_value()

        return signature, codegen

    return slope_tile


def make_runs_tile(rows, vector, registers=2):
    """The intrinsic runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth).

    The tile of a convolution, whose sums go over several runs of memory, one a row of the image:
        C[i, n] = S[i, n] + sum over r < runs, k < depth of A[r, k, i] * B[r, k, n],
    with A[r, k, i] at a0 + r * arun + k * ak + i * ai, B[r, k, n] at b0 + r * brun + k * ldb + n, and the start
    S[i, n] at s0 + i * lds + n: with lds = 0 one bias for all rows, with S the array C itself an update in place.
    """

    @intrinsic
    def runs_tile(typingctx, A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
        n = types.intp
        signature = types.void(A, n, n, n, n, B, n, n, n, S, n, n, C, n, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, s, c = (_address(context, builder, signature, args, at) for at in (0, 5, 9, 12))
            register = ir.VectorType(ir.FloatType(), vector)
            sums = []
            for i in range(rows):
                row = builder.gep(s, [builder.mul(_size(i), args[11])])
                sums.append(_slots(builder, [_load(builder, row, n * vector, register) for n in range(registers)]))
            with cgutils.for_range(builder, args[15]) as loop:
                arun = builder.gep(a, [builder.mul(loop.index, args[2])])
                brun = builder.gep(b, [builder.mul(loop.index, args[7])])
                _accumulate(builder, vector, arun, args[3:5], brun, args[8], args[16], sums)
            for i, slots in enumerate(sums):
                row = builder.gep(c, [builder.mul(_size(i), args[14])])
                for n, slot in enumerate(slots):
                    _store(builder, row, n * vector, builder.load(slot))
            return context.get_dummy_value()

        return signature, codegen

    return runs_tile


def _product(builder, vector, a, strides, b, ldb, depth, start, registers=2):
    """Rows of registers: start[i] + sum over k of a[k * ak + i * ai] * b[k * ldb + n], (ak, ai) = strides."""
    sums = [_slots(builder, [_spread(builder, value, vector)] * registers) for value in start]
    _accumulate(builder, vector, a, strides, b, ldb, depth, sums)
    return [[builder.load(slot) for slot in row] for row in sums]


def _slots(builder, values):
    """A place for each of the values that a loop changes; the compiler makes registers of them."""
    slots = [cgutils.alloca_once(builder, value.type) for value in values]
    for slot, value in zip(slots, values, strict=True):
        builder.store(value, slot)
    return slots


def _accumulate(builder, vector, a, strides, b, ldb, depth, sums):
    """Add the sum over k of a[k * ak + i * ai] * b[k * ldb + n] to the slots of each row i."""
    register = ir.VectorType(ir.FloatType(), vector)
    arows = [builder.gep(a, [builder.mul(strides[1], _size(i))]) for i in range(len(sums))]
    with cgutils.for_range(builder, depth) as loop:
        acolumn = builder.mul(loop.index, strides[0])
        brow = builder.gep(b, [builder.mul(loop.index, ldb)])
        lanes = [_load(builder, brow, n * vector, register) for n in range(len(sums[0]))]
        for arow, row in zip(arows, sums, strict=True):
            spread = _spread(builder, builder.load(builder.gep(arow, [acolumn])), vector)
            for slot, lane in zip(row, lanes, strict=True):
                builder.store(_fma(builder, spread, lane, builder.load(slot)), slot)


def _silu_pair(builder, u, v):
    """SiLU of two registers and its slope; the two share one division, which costs as much as all the rest.

    Rounding carries a trace of one into the other: they are to hold two features of the same samples, never two
    samples, or a sample would depend on its neighbour.

    sigmoid(u) = 1 / (1 + 2**x) with x = -u / ln 2 = m + r, m an integer: 2**m by its exponent bits, 2**r by a
    polynomial.  Adding 1.5 * 2**23 leaves m in the low bits of the sum.  |x| is kept to 60, so that the product
    of two denominators is finite; there the sigmoid is 1e-18 from 0 or 1.
    """
    one = _like(u, 1.0)
    clipped = [_clip_low(builder, value, SILU_RANGE) for value in (u, v)]
    exps = [_exp_minus(builder, value) for value in clipped]
    below = [builder.fadd(one, e) for e in exps]
    inverse = builder.fdiv(one, builder.fmul(*below))
    sigmoids = [builder.fmul(inverse, other) for other in reversed(below)]
    outputs = [builder.fmul(value, s) for value, s in zip(clipped, sigmoids, strict=True)]
    # the slope s + h (1 - s), in which 1 - s = s exp(-g) without cancellation
    slopes = [_fma(builder, builder.fmul(h, e), s, s) for h, e, s in zip(outputs, exps, sigmoids, strict=True)]
    return outputs, slopes


SILU_RANGE = 41.5  # 60 ln 2, rounded down
EXP2 = (1.3333558e-3, 9.6181291e-3, 5.5504109e-2, 2.4022651e-1, 6.9314718e-1, 1.0)  # 2**r, |r| <= 1/2, to 2e-7


def _clip_low(builder, value, limit):
    low = _like(value, -limit)
    return builder.select(builder.fcmp_ordered("<", value, low), low, value)  # NaN passes


def _exp_minus(builder, u):
    """exp(-u) for u above -SILU_RANGE; for u above SILU_RANGE, 2**-60."""
    high = _like(u, SILU_RANGE)
    u = builder.select(builder.fcmp_ordered(">", u, high), high, u)
    scale, magic = _like(u, -1.0 / math.log(2.0)), _like(u, 1.5 * 2.0**23)
    m = _fma(builder, u, scale, magic)
    r = _fma(builder, u, scale, builder.fneg(builder.fsub(m, magic)))
    y = _like(u, EXP2[0])
    for coefficient in EXP2[1:]:
        y = _fma(builder, y, r, _like(u, coefficient))
    integers = ir.VectorType(ir.IntType(32), u.type.count)
    exponent = builder.shl(builder.bitcast(m, integers), ir.Constant(integers, [23] * u.type.count))
    return builder.bitcast(builder.add(builder.bitcast(y, integers), exponent), u.type)


def _fma(builder, a, b, c):
    name = f"llvm.fma.v{a.type.count}f32"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
    return builder.call(function, [a, b, c])


def _like(register, value):
    """A register of the same width with `value`, rounded to float32, in each place."""
    return ir.Constant(register.type, [float(np.float32(value))] * register.type.count)


def make_reduction(vector, highest):
    """The intrinsic reduction(A, a0, n): the sum of n numbers from A[a0] on, or the highest; n a multiple of LANES.

    LANES of them at a time, which then come together half by half: the order depends on n alone.
    """

    @intrinsic
    def reduction(typingctx, A, a0, n):
        def codegen(context, builder, signature, args):
            a, register = _address(context, builder, signature, args, 0), ir.VectorType(ir.FloatType(), vector)

            def joined(one, other):
                if highest:
                    return builder.select(builder.fcmp_ordered(">", one, other), one, other)
                return builder.fadd(one, other)

            slots = _slots(builder, [_load(builder, a, place * vector, register) for place in range(2)])
            with cgutils.for_range(builder, builder.udiv(args[2], _size(2 * vector)), start=_size(1)) as loop:
                block = builder.gep(a, [builder.mul(loop.index, _size(2 * vector))])
                for place, slot in enumerate(slots):
                    builder.store(joined(builder.load(slot), _load(builder, block, place * vector, register)), slot)
            lanes, width = joined(*(builder.load(slot) for slot in slots)), vector
            while width > 1:
                width //= 2
                halves = [
                    builder.shuffle_vector(lanes, lanes, _mask(list(range(low, low + width)))) for low in (0, width)
                ]
                lanes = joined(*halves)
            return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))

        return types.float32(A, types.intp, types.intp), codegen

    return reduction


def make_transpose(vector):
    """The intrinsic transpose(A, a0, lda, C, c0, ldc): C[i, k] = A[k, i] for a block of `vector` x `vector`."""

    @intrinsic
    def transpose(typingctx, A, a0, lda, C, c0, ldc):
        sizes = types.intp
        signature = types.void(A, sizes, sizes, C, sizes, sizes)

        def codegen(context, builder, signature, args):
            a, c = (_address(context, builder, signature, args, at) for at in (0, 3))
            register = ir.VectorType(ir.FloatType(), vector)
            rows = [
                _load(builder, builder.gep(a, [builder.mul(_size(k), args[2])]), 0, register) for k in range(vector)
            ]
            distance = vector // 2
            while distance:  # swap off-diagonal blocks of half the size, then of a quarter, and so on
                keep = [n if not n & distance else n - distance + vector for n in range(vector)]
                swap = [n + distance if not n & distance else n + vector for n in range(vector)]
                for k in (k for k in range(vector) if not k & distance):
                    low, high = rows[k], rows[k + distance]
                    rows[k] = builder.shuffle_vector(low, high, _mask(keep))
                    rows[k + distance] = builder.shuffle_vector(low, high, _mask(swap))
                distance //= 2
            for i in range(vector):
                _store(builder, builder.gep(c, [builder.mul(_size(i), args[5])]), 0, rows[i])
            return context.get_dummy_value()

        return signature, codegen

    return transpose


def make_exp_columns(vector):
    """The intrinsic exp_columns(A, a0, lda, rows, S, s0): A = exp(A - the highest of its column), S = 1 / their sum.

    LANES columns; A over its sum is the column's softmax.
    """

    @intrinsic
    def exp_columns(typingctx, A, a0, lda, rows, S, s0):
        n = types.intp
        signature = types.void(A, n, n, n, S, n)

        def codegen(context, builder, signature, args):
            a, s = (_address(context, builder, signature, args, at) for at in (0, 4))
            register = ir.VectorType(ir.FloatType(), vector)
            tops = _slots(builder, [_load(builder, a, n * vector, register) for n in range(2)])
            with cgutils.for_range(builder, args[3]) as loop:
                row = builder.gep(a, [builder.mul(loop.index, args[2])])
                for n, slot in enumerate(tops):
                    top, value = builder.load(slot), _load(builder, row, n * vector, register)
                    builder.store(builder.select(builder.fcmp_ordered(">", top, value), top, value), slot)
            tops = [builder.load(slot) for slot in tops]
            sums = _slots(builder, [_like(top, 0.0) for top in tops])
            with cgutils.for_range(builder, args[3]) as loop:
                row = builder.gep(a, [builder.mul(loop.index, args[2])])
                for n, (top, slot) in enumerate(zip(tops, sums, strict=True)):
                    value = _exp_minus(builder, builder.fsub(top, _load(builder, row, n * vector, register)))
                    builder.store(builder.fadd(builder.load(slot), value), slot)
                    _store(builder, row, n * vector, value)
            for n, slot in enumerate(sums):
                _store(builder, s, n * vector, builder.fdiv(_like(tops[n], 1.0), builder.load(slot)))
            return context.get_dummy_value()

        return signature, codegen

    return exp_columns


def make_scaled_tile(rows, vector):
    """The intrinsic scaled_tile(A, a0, ak, ai, B, b0, ldb, S, s0, E, e0, C, c0, ldc, depth): the tile, and behind it E.

        C[i, n] = E[i, n] * (S[n] + sum over k of A[k, i] * B[k, n]),    E[i, n] at e0 + i * ldc + n, S[n] at s0 + n
    """

    @intrinsic
    def scaled_tile(typingctx, A, a0, ak, ai, B, b0, ldb, S, s0, E, e0, C, c0, ldc, depth):
        n = types.intp
        signature = types.void(A, n, n, n, B, n, n, S, n, E, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, s, e, c = (_address(context, builder, signature, args, at) for at in (0, 4, 7, 9, 11))
            register = ir.VectorType(ir.FloatType(), vector)
            start = [_load(builder, s, n * vector, register) for n in range(2)]
            sums = [_slots(builder, start) for _ in range(rows)]
            _accumulate(builder, vector, a, args[2:4], b, args[6], args[14], sums)
            for i, slots in enumerate(sums):
                row = builder.mul(_size(i), args[13])
                scales, to = builder.gep(e, [row]), builder.gep(c, [row])
                for n, slot in enumerate(slots):
                    scale = _load(builder, scales, n * vector, register)
                    _store(builder, to, n * vector, builder.fmul(scale, builder.load(slot)))
            return context.get_dummy_value()

        return signature, codegen

    return scaled_tile


def make_inner_tile(rows, vector):
    """The intrinsic inner_tile(A, a0, lda, B, b0, ldb, C, c0, ldc, depth), the sum along the registers:

        C[j, i] = sum over n of A[i, n] * B[j, n],    i < rows, j < 2,

    with A[i, n] at a0 + i * lda + n, B and C likewise; depth is a multiple of `vector`.  Each sum has a register of
    its own, and at the end these come together by halves until each place holds one of the sums.
    """

    @intrinsic
    def inner_tile(typingctx, A, a0, lda, B, b0, ldb, C, c0, ldc, depth):
        n = types.intp
        signature = types.void(A, n, n, B, n, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, b, c = (_address(context, builder, signature, args, at) for at in (0, 3, 6))
            register = ir.VectorType(ir.FloatType(), vector)
            sums = _slots(builder, [ir.Constant(register, [0.0] * vector)] * (2 * rows))
            starts = [builder.gep(a, [builder.mul(_size(i), args[2])]) for i in range(rows)]
            starts += [builder.gep(b, [builder.mul(_size(j), args[5])]) for j in range(2)]
            with cgutils.for_range(builder, builder.udiv(args[9], _size(vector))) as loop:
                at = builder.mul(loop.index, _size(vector))
                *left, first, second = (_load(builder, builder.gep(start, [at]), 0, register) for start in starts)
                for right, slots in ((first, sums[:rows]), (second, sums[rows:])):
                    for value, slot in zip(left, slots, strict=True):
                        builder.store(_fma(builder, value, right, builder.load(slot)), slot)
            sums = [builder.load(slot) for slot in sums]
            totals = [_totals(builder, sums[k : k + vector]) for k in range(0, 2 * rows, vector)]
            for k, total in enumerate(totals):
                for i in range(0, vector, rows):
                    j, first = divmod(k * vector + i, rows)
                    part = builder.shuffle_vector(total, total, _mask(list(range(i, i + min(rows, vector)))))
                    _store(builder, builder.gep(c, [builder.mul(_size(j), args[8])]), first, part)
            return context.get_dummy_value()

        return signature, codegen

    return inner_tile


def _totals(builder, registers):
    """One register: in each place the sum over one of the registers, as many as it has places."""
    distance = 1
    while len(registers) > 1:
        size = registers[0].type.count
        low = [n + (0 if n // distance % 2 == 0 else size - distance) for n in range(size)]
        high = [n + (distance if n // distance % 2 == 0 else size) for n in range(size)]
        registers = [
            builder.fadd(builder.shuffle_vector(x, y, _mask(low)), builder.shuffle_vector(x, y, _mask(high)))
            for x, y in zip(registers[::2], registers[1::2], strict=True)
        ]
        distance *= 2
    return registers[0]


def make_move(vector):
    """The intrinsic move(A, a0, C, c0, n, add): C = A, where `add` C += A, of n numbers, a multiple of `vector`."""

    @intrinsic
    def move(typingctx, A, a0, C, c0, n, add):
        signature = types.void(A, types.intp, C, types.intp, types.intp, types.boolean)

        def codegen(context, builder, signature, args):
            a, c = (_address(context, builder, signature, args, at) for at in (0, 2))
            register = ir.VectorType(ir.FloatType(), vector)
            with cgutils.for_range(builder, builder.udiv(args[4], _size(vector))) as loop:
                at = builder.mul(loop.index, _size(vector))
                source, target = (builder.gep(pointer, [at]) for pointer in (a, c))
                value = _load(builder, source, 0, register)
                with builder.if_else(args[5]) as (adding, copying):
                    with adding:
                        _store(builder, target, 0, builder.fadd(_load(builder, target, 0, register), value))
                    with copying:
                        _store(builder, target, 0, value)
            return context.get_dummy_value()

        return signature, codegen

    return move


def make_expect(write, near, line=16):
    """The intrinsic expect(A, a0, n): the n numbers from A[a0] on will be written soon; the cache may fetch them."""

    @intrinsic
    def expect(typingctx, A, a0, n):
        signature = types.void(A, types.intp, types.intp)

        def codegen(context, builder, signature, args):
            a = _address(context, builder, signature, args, 0)
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            flags = [ir.Constant(number, flag) for flag in (write, near, 1)]  # to write, to the first cache, data
            with cgutils.for_range_slice(builder, _size(0), args[2], _size(line)) as (index, _):
                builder.call(function, [builder.bitcast(builder.gep(a, [index]), byte), *flags])
            return context.get_dummy_value()

        return signature, codegen

    return expect


def make_sandwich(vector, matrix, add=False):
    """The intrinsic sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj): C = M A M^T, where `add` S + M A M^T.

    The entries are registers of `vector` numbers: A[i, j] lies at a0 + i * ai + j * aj, S[i, j] and C[i, j] at s0 or
    c0 + i * ci + j * cj.  The small `matrix` M is known to the compiler, which makes sums and differences of it.
    """

    @intrinsic
    def sandwich(typingctx, A, a0, ai, aj, S, s0, C, c0, ci, cj):
        n = types.intp
        signature = types.void(A, n, n, n, S, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, s, c = (_address(context, builder, signature, args, at) for at in (0, 4, 6))
            register = ir.VectorType(ir.FloatType(), vector)

            def place(pointer, i, j, strides):
                steps = [builder.mul(_size(n), stride) for n, stride in zip((i, j), strides, strict=True)]
                return builder.gep(pointer, [builder.add(*steps)])

            size = range(len(matrix[0]))
            columns = [[_load(builder, place(a, i, j, args[2:4]), 0, register) for i in size] for j in size]
            rows = zip(*([_combined(builder, line, column) for line in matrix] for column in columns), strict=True)
            for i, row in enumerate(rows):
                for j, line in enumerate(matrix):
                    value = _combined(builder, line, row)
                    if add:
                        value = builder.fadd(value, _load(builder, place(s, i, j, args[8:]), 0, register))
                    _store(builder, place(c, i, j, args[8:]), 0, value)
            return context.get_dummy_value()

        return signature, codegen

    return sandwich


def _combined(builder, factors, registers):
    """The sum of the registers, each times its factor."""
    terms = sorted(((f, r) for f, r in zip(factors, registers, strict=True) if f), key=lambda term: -term[0])
    first, total = terms[0]
    total = total if first == 1 else builder.fmul(total, _like(total, first))
    for factor, register in terms[1:]:
        if abs(factor) == 1:
            total = builder.fadd(total, register) if factor > 0 else builder.fsub(total, register)
        else:
            total = _fma(builder, register, _like(register, factor), total)
    return total


def make_wide(bits):
    """The intrinsic wide(): the compiler fills whole registers in the loops of the function that calls it first.

    LLVM holds 512-bit registers back, because early processors that had them slowed down; where a loop is all
    arithmetic it gains a third.  The function is compiled on its own, for in another it would lose the wish.
    """

    @intrinsic
    def wide(typingctx):
        def codegen(context, builder, signature, args):
            attributes = builder.function.attributes
            attributes.add("noinline")
            set.add(attributes, f'"prefer-vector-width"="{bits}"')  # llvmlite's own `add` knows no such attribute
            return context.get_dummy_value()

        return types.void(), codegen

    return wide


def _address(context, builder, signature, args, at):
    """Address of number args[at + 1] of the array args[at]."""
    array = cgutils.create_struct_proxy(signature.args[at])(context, builder, value=args[at])
    return builder.gep(array.data, [args[at + 1]])


def _load(builder, pointer, offset, register):
    place = builder.bitcast(builder.gep(pointer, [_size(offset)]), register.as_pointer())
    value = builder.load(place)
    value.align = 4
    return value


def _store(builder, pointer, offset, value):
    place = builder.bitcast(builder.gep(pointer, [_size(offset)]), value.type.as_pointer())
    builder.store(value, place).align = 4


def _spread(builder, scalar, vector):
    """A register with `scalar` in each of its places."""
    undefined = ir.Constant(ir.VectorType(ir.FloatType(), vector), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, _mask([0] * vector))


def _mask(places):
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)


def _size(n):
    return ir.Constant(ir.IntType(types.intp.bitwidth), n)


def plain_wide():
    """Nothing to wish for where there is no compiler."""


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
def plain_narrow_tile(A, a0, ak, ai, B, b0, ldb, C, c0, ldc, depth):
    """The tile of twice the rows and half the lanes as a loop."""
    a, b, c = A.ravel(), B.ravel(), C.ravel()
    for i in range(2 * ROWS):
        for n in range(VECTOR):
            total = np.float32(0)
            for k in range(depth):
                total += a[a0 + k * ak + i * ai] * b[b0 + k * ldb + n]
            c[c0 + i * ldc + n] = total


@inline_jit
def plain_runs_tile(A, a0, arun, ak, ai, B, b0, brun, ldb, S, s0, lds, C, c0, ldc, runs, depth):
    """The tile of a convolution as a loop."""
    a, b, start, c = A.ravel(), B.ravel(), S.ravel(), C.ravel()
    for i in range(ROWS):
        for n in range(LANES):
            total = start[s0 + i * lds + n]
            for r in range(runs):
                for k in range(depth):
                    total += a[a0 + r * arun + k * ak + i * ai] * b[b0 + r * brun + k * ldb + n]
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


@inline_jit
def plain_total(A, a0, n):
    """The sum as a loop."""
    lanes, width = A.ravel()[a0 : a0 + LANES].copy(), LANES
    for i in range(LANES, n):
        lanes[i % LANES] += A.ravel()[a0 + i]
    while width > 1:
        width //= 2
        for i in range(width):
            lanes[i] += lanes[width + i]
    return lanes[0]


@inline_jit
def plain_highest(A, a0, n):
    """The highest as a loop."""
    found = A.ravel()[a0]
    for i in range(n):
        found = max(found, A.ravel()[a0 + i])
    return found


@inline_jit
def plain_transpose(A, a0, lda, C, c0, ldc):
    """The transpose as a loop."""
    a, c = A.ravel(), C.ravel()
    for k in range(VECTOR):
        for i in range(VECTOR):
            c[c0 + i * ldc + k] = a[a0 + k * lda + i]


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    tile, silu_tile, slope_tile, transpose = plain_tile, plain_silu_tile, plain_slope_tile, plain_transpose
    narrow_tile, runs_tile, wide = plain_narrow_tile, plain_runs_tile, plain_wide
    total, highest = plain_total, plain_highest
else:
    tile, silu_tile = make_tile(ROWS, VECTOR), make_silu_tile(ROWS, VECTOR)
    slope_tile, transpose = make_slope_tile(ROWS, VECTOR), make_transpose(VECTOR)
    narrow_tile = make_tile(2 * ROWS, VECTOR, registers=1)  # for matrices of few columns
    runs_tile, narrow_runs_tile = make_runs_tile(ROWS, VECTOR), make_runs_tile(2 * ROWS, VECTOR, registers=1)
    wide = make_wide(register_bits())
    move, expect = make_move(VECTOR), make_expect(1, 3)
    expect_read = make_expect(0, 2)
    inner_tile, exp_columns = make_inner_tile(ROWS, VECTOR), make_exp_columns(VECTOR)
    scaled_tile = make_scaled_tile(ROWS, VECTOR)
    total, highest = make_reduction(VECTOR, False), make_reduction(VECTOR, True)
