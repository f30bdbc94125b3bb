"""Vector registers, and the words of which all code for them is made.

A processor's vector register holds VECTOR float32 numbers, and one fused multiply-add instruction works on all
of them; or half as many of float64.  Each function below emits a few LLVM instructions into the code that `builder`
is at, for the numbers that it is given: an address, a load, a sum of products.  The intrinsics of this folder are put
together from them, and of nothing else.

Every sum has one order, whatever VECTOR is, so that kernels give the same bits on all machines with fused
multiply-adds.  Most sums have a place of a register to themselves, and take their terms there one by one.  Those that
are split, along a row of numbers, over the samples of a batch or by the way a convolution is done, are split on every
machine as on registers of 512 bits, by WIDEST_ROWS, WIDEST_VECTOR and WIDEST_LANES; what is only moved goes by ROWS,
VECTOR, LANES.
"""

import ctypes
import math
import os
import sys
from typing import NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils

SHAPES = {512: (8, 16), 256: (4, 8), 128: (4, 4)}  # register bits: rows of a tile, float32 numbers a register


def register_bits():
    """Width of this machine's vector registers: 512, 256 or 128 bits; NUMPY_DIFFUSION_SIMD overrides it, and is
    without the tile unit."""
    wanted = os.environ.get("NUMPY_DIFFUSION_SIMD")
    if wanted:
        if wanted not in map(str, SHAPES):
            raise ValueError(f"NUMPY_DIFFUSION_SIMD: expected one of 512, 256, 128, got {wanted!r}")
        return int(wanted)
    features = binding.get_host_cpu_features()
    return 512 if features.get("avx512f") else 256 if features.get("avx2") else 128


UNIT = "amx-tile", "amx-bf16"  # what LLVM calls the unit
ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA = 158, 0x1023, 18  # of Linux on x86-64


def tile_unit():
    """Whether the processor has the unit of `tile_unit`, Numba compiles for it, and the system lets this process use
    it, which Linux asks to be asked: what a thread's registers take when it is put aside grows by 8 KB."""
    if os.environ.get("NUMPY_DIFFUSION_SIMD") or register_bits() != 512 or config.DISABLE_JIT:
        return False
    compiled_for = config.CPU_FEATURES
    if compiled_for is None:
        compiled_for = binding.get_host_cpu_features().flatten()
    if not {f"+{name}" for name in UNIT} <= set(compiled_for.split(",")) or sys.platform != "linux":
        return False
    try:
        asked = ctypes.CDLL(None).syscall(*map(ctypes.c_long, (ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA)))
    except (OSError, AttributeError):  # a C library that cannot be asked
        return False
    return asked == 0


ROWS, VECTOR = SHAPES[register_bits()]
# Whether an instruction multiplies pairs of bfloat16 numbers, see `bfloat16`; and whether a unit multiplies tiles.
PAIRS = register_bits() == 512 and bool(binding.get_host_cpu_features().get("avx512bf16"))
TILES = tile_unit()
LANES = 2 * VECTOR
WIDEST_ROWS, WIDEST_VECTOR = SHAPES[512]  # what decides the order of sums, on every machine
WIDEST_LANES = 2 * WIDEST_VECTOR


def size(n):
    """A count of numbers as a constant."""
    return ir.Constant(ir.IntType(types.intp.bitwidth), n)


def address(context, builder, signature, args, at):
    """Address of number args[at + 1] of the array args[at]."""
    array = cgutils.create_struct_proxy(signature.args[at])(context, builder, value=args[at])
    return builder.gep(array.data, [args[at + 1]])


def load(builder, pointer, offset, register):
    """A register of the numbers from pointer[offset] on, wherever they lie."""
    place = builder.bitcast(builder.gep(pointer, [size(offset)]), register.as_pointer())
    value = builder.load(place)
    value.align = real(register).bits // 8
    return value


def store(builder, pointer, offset, value):
    """pointer[offset...] = a register."""
    place = builder.bitcast(builder.gep(pointer, [size(offset)]), value.type.as_pointer())
    builder.store(value, place).align = real(value.type).bits // 8


def mask(places):
    """Which places of two registers, one behind the other, a shuffle takes."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)


def joined(builder, registers):
    """A power of two of registers as one, as wide as all of them: the compiler takes it apart again."""
    while len(registers) > 1:
        both = mask(list(range(2 * registers[0].type.count)))
        pairs = zip(registers[::2], registers[1::2], strict=True)
        registers = [builder.shuffle_vector(*pair, both) for pair in pairs]
    return registers[0]


def parted(builder, register, n):
    """The other way round: n registers."""
    places = np.arange(register.type.count).reshape(n, -1).tolist()
    return [builder.shuffle_vector(register, register, mask(part)) for part in places]


def broadcast(builder, scalar, vector):
    """A register with `scalar` in each of its places."""
    undefined = ir.Constant(ir.VectorType(scalar.type, vector), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, mask([0] * vector))


def like(register, value):
    """A register of the same width with `value`, rounded to its numbers, in each place."""
    return ir.Constant(register.type, [float(real(register.type).rounded(value))] * register.type.count)


def fma(builder, a, b, c):
    """a * b + c, rounded once."""
    name = f"llvm.fma.v{a.type.count}f{real(a.type).bits}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
    return builder.call(function, [a, b, c])


def slots(builder, values):
    """A place for each of the values that a loop changes; the compiler makes registers of them."""
    places = [cgutils.alloca_once(builder, value.type) for value in values]
    for place, value in zip(places, values, strict=True):
        builder.store(value, place)
    return places


def product(builder, vector, a, strides, b, ldb, depth, start):
    """Rows of two registers: start[i] + sum over k of a[k * ak + i * ai] * b[k * ldb + n], (ak, ai) = strides."""
    sums = [slots(builder, [broadcast(builder, value, vector)] * 2) for value in start]
    accumulate(builder, vector, along(builder, a, strides[1], len(sums)), strides[0], b, ldb, depth, sums)
    return [[builder.load(slot) for slot in row] for row in sums]


def along(builder, pointer, distance, n):
    """n addresses, `distance` numbers apart."""
    return [builder.gep(pointer, [builder.mul(distance, size(i))]) for i in range(n)]


def accumulate(builder, vector, arows, ak, b, ldb, depth, sums, multiply=fma):
    """Add the sum over k of arows[i][k * ak] * b[k * ldb + n] to the slots of each row i, by `multiply`."""
    register = ir.VectorType(b.type.pointee, vector)
    with cgutils.for_range(builder, depth) as loop:
        acolumn = builder.mul(loop.index, ak)
        brow = builder.gep(b, [builder.mul(loop.index, ldb)])
        lanes = [load(builder, brow, n * vector, register) for n in range(len(sums[0]))]
        for arow, row in zip(arows, sums, strict=True):
            factor = broadcast(builder, builder.load(builder.gep(arow, [acolumn])), vector)
            for slot, lane in zip(row, lanes, strict=True):
                builder.store(multiply(builder, factor, lane, builder.load(slot)), slot)


SILU_RANGE = 41.5  # 60 ln 2, rounded down
# 2**r for |r| <= 1/2, exact at 0, its highest relative error the lowest of all such polynomials: 9e-8
EXP2 = (1.32647273e-3, 9.67151271e-3, 5.55073374e-2, 2.40222421e-1, 6.93146978e-1, 1.0)
# likewise for float64: 3e-17
EXP2_DOUBLE = (
    4.4347624386825244e-10,
    7.07378403883573e-9,
    1.0178199636717665e-7,
    1.321543527718275e-6,
    1.5252733492952222e-5,
    1.5403530457123798e-4,
    1.333355814677483e-3,
    9.618129107594109e-3,
    5.5504108664820084e-2,
    2.402265069591013e-1,
    6.931471805599453e-1,
    1.0,
)


class Real(NamedTuple):
    """What is to be known of a kind of number."""

    rounded: type  # that rounds to it
    bits: int
    mantissa: int  # how many of the bits are the fraction's
    range: float  # to which exp's argument is kept: the product of two such exponentials is finite
    exp2: tuple[float, ...]


SINGLE, DOUBLE = Real(np.float32, 32, 23, SILU_RANGE, EXP2), Real(np.float64, 64, 52, 350.0, EXP2_DOUBLE)


def real(register):
    """Of the numbers of a register's type."""
    return DOUBLE if isinstance(register.element, ir.DoubleType) else SINGLE


def exp_minus(builder, u):
    """exp(-u) for u above -range; for u above the range, exp(-range), about 2**-60 in float32."""
    kind = real(u.type)
    high = like(u, kind.range)
    u = builder.select(builder.fcmp_ordered(">", u, high), high, u)
    scale, magic = like(u, -1.0 / math.log(2.0)), like(u, 1.5 * 2.0**kind.mantissa)
    m = fma(builder, u, scale, magic)
    r = fma(builder, u, scale, builder.fneg(builder.fsub(m, magic)))
    y = like(u, kind.exp2[0])
    for coefficient in kind.exp2[1:]:
        y = fma(builder, y, r, like(u, coefficient))
    integers = ir.VectorType(ir.IntType(kind.bits), u.type.count)
    exponent = builder.shl(builder.bitcast(m, integers), ir.Constant(integers, [kind.mantissa] * u.type.count))
    return builder.bitcast(builder.add(builder.bitcast(y, integers), exponent), u.type)
