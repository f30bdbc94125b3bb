"""Sums over a row of numbers: those of a layer norm, along the registers.

Each sum is kept in WIDEST_VECTOR places, on narrower machines in several registers, so that its bits are the same.
"""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import (
    WIDEST_VECTOR,
    address,
    broadcast,
    fma,
    like,
    load,
    mask,
    size,
)


@intrinsic
def _total(typingctx, A, a0, n):
    """The sum of n numbers from A[a0] on, n a multiple of WIDEST_VECTOR.

    Each place sums its own, and at the end the places come together by halves.
    """
    signature = types.float32(A, types.intp, types.intp)

    def codegen(context, builder, signature, args):
        a = address(context, builder, signature, args, 0)

        def step(builder, at, so_far):
            return builder.fadd(so_far, load(builder, builder.gep(a, [at]), 0, so_far.type))

        return _summed(builder, args[2], step)

    return signature, codegen


@intrinsic
def _product_total(typingctx, A, a0, a, B, b0, b, n):
    """The sum of (A[i] - a) (B[i] - b), likewise of n numbers."""
    number, place = types.float32, types.intp
    signature = number(A, place, number, B, place, number, place)

    def codegen(context, builder, signature, args):
        starts = [address(context, builder, signature, args, at) for at in (0, 3)]
        less = [broadcast(builder, args[at], WIDEST_VECTOR) for at in (2, 5)]

        def step(builder, at, so_far):
            left, right = (
                builder.fsub(load(builder, builder.gep(start, [at]), 0, so_far.type), offset)
                for start, offset in zip(starts, less, strict=True)
            )
            return fma(builder, left, right, so_far)

        return _summed(builder, args[6], step)

    return signature, codegen


def _summed(builder, n, step):
    """The sum over places that start at zero and take `step` for each WIDEST_VECTOR of n numbers."""
    places = WIDEST_VECTOR
    slot = cgutils.alloca_once_value(builder, ir.Constant(ir.VectorType(ir.FloatType(), places), [0.0] * places))
    builder.store(like(builder.load(slot), 0.0), slot)
    with cgutils.for_range(builder, builder.udiv(n, size(places))) as loop:
        at = builder.mul(loop.index, size(places))
        builder.store(step(builder, at, builder.load(slot)), slot)
    value = builder.load(slot)
    while places > 1:
        places //= 2
        low, high = (builder.shuffle_vector(value, value, mask(list(range(at, at + places)))) for at in (0, places))
        value = builder.fadd(low, high)
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))


@inline_jit
def plain_total(A, a0, n):
    """The sum as a loop."""
    found = np.float32(0)
    for i in range(n):
        found += A[a0 + i]
    return found


@inline_jit
def plain_product_total(A, a0, a, B, b0, b, n):
    """The sum of products as a loop."""
    found = np.float32(0)
    for i in range(n):
        found += (A[a0 + i] - a) * (B[b0 + i] - b)
    return found


if config.DISABLE_JIT:  # stepping through kernels with a debugger
    total, product_total = plain_total, plain_product_total
else:
    total, product_total = _total, _product_total


@inline_jit
def row_total(A, a0, n):
    """The sum of any n numbers from A[a0] on."""
    whole = n // WIDEST_VECTOR * WIDEST_VECTOR
    return total(A, a0, whole) + plain_total(A, a0 + whole, n - whole)


@inline_jit
def row_product_total(A, a0, a, B, b0, b, n):
    """The sum of (A[i] - a) (B[i] - b) over any n numbers from A[a0] and B[b0] on."""
    whole = n // WIDEST_VECTOR * WIDEST_VECTOR
    first = product_total(A, a0, a, B, b0, b, whole)
    return first + plain_product_total(A, a0 + whole, a, B, b0 + whole, b, n - whole)
