"""The sandwiches of a convolution by squares in bfloat16: what they make is rounded, two numbers a word."""

import numpy as np
from numba import config

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.bfloat16 import joined, packed, plain_round_pairs, plain_round_rows, side_by_side
from numpy_diffusion.kernels.vector.registers import load, store
from numpy_diffusion.kernels.vector.sandwich import make_sandwich, plain_sandwich


def _store_packed(builder, pointer, offset, value):
    """pointer[offset...] = a register, rounded, in half as many words."""
    store(builder, pointer, offset, packed(builder, value))


def make_rounded_sandwich(vector, *factors):
    """A `sandwich` that rounds C; its places and strides are counted in words."""
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_rounded_sandwich(vector, *factors)
    return make_sandwich(vector, *factors, keep=_store_packed)


def make_sandwich_of_pairs(vector, apart, *factors):
    """A `sandwich` of the registers that `A` names and those `apart` numbers behind them: C, rounded, has a word of a
    number of each, the second one's in its upper half."""
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_sandwich_of_pairs(vector, apart, *factors)

    def take(builder, pointer, offset, register):
        return joined(builder, *(load(builder, pointer, offset + further, register) for further in (0, apart)))

    def keep(builder, pointer, offset, value):
        store(builder, pointer, offset, side_by_side(builder, value))

    return make_sandwich(vector, *factors, take=take, keep=keep)


def make_pairing_sandwich(vector, *factors):
    """A `sandwich` whose C has numbers before and words after: those numbers, and the results beside them."""
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_pairing_sandwich(vector, *factors)

    def keep(builder, pointer, offset, value):
        before = load(builder, pointer, offset, value.type)
        store(builder, pointer, offset, side_by_side(builder, joined(builder, before, value)))

    return make_sandwich(vector, *factors, keep=keep)


def plain_rounded_sandwich(vector, *factors):
    """The rounded sandwich as a loop."""
    exact, side = plain_sandwich(vector, *factors), len(factors[0])

    @inline_jit
    def sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj):
        made = np.empty(side * side * vector, np.float32)
        exact(A, a0, ai, aj, S, s0, made, 0, side * vector, vector)
        for i in range(side):
            for j in range(side):
                plain_round_pairs(made, (i * side + j) * vector, C, c0 + i * ci + j * cj, vector)

    return sandwich


def plain_sandwich_of_pairs(vector, apart, *factors):
    """The sandwich of pairs as a loop."""
    exact, side = plain_sandwich(vector, *factors), len(factors[0])

    @inline_jit
    def sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj):
        size = side * side * vector
        made = np.empty(2 * size, np.float32)
        exact(A, a0, ai, aj, S, s0, made, 0, side * vector, vector)
        exact(A, a0 + apart, ai, aj, S, s0, made, size, side * vector, vector)
        for i in range(side):
            for j in range(side):
                at = (i * side + j) * vector
                plain_round_rows(made, at, size + at, C, c0 + i * ci + j * cj, vector)

    return sandwich


def plain_pairing_sandwich(vector, *factors):
    """The pairing sandwich as a loop."""
    exact, side = plain_sandwich(vector, *factors), len(factors[0])

    @inline_jit
    def sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj):
        made = np.empty((side * side + 1) * vector, np.float32)
        exact(A, a0, ai, aj, S, s0, made, vector, side * vector, vector)
        for i in range(side):
            for j in range(side):
                at = c0 + i * ci + j * cj
                made[:vector] = C.ravel()[at : at + vector]
                plain_round_rows(made, 0, (i * side + j + 1) * vector, C, at, vector)

    return sandwich
