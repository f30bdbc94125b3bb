"""The sandwiches of a convolution by squares in bfloat16: what they make is rounded, two numbers a word."""

import numpy as np
from numba import config

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.bfloat16 import (
    first,
    packed,
    plain_first,
    plain_round_pairs,
    plain_round_rows,
    plain_second,
    second,
    side_by_side,
)
from numpy_diffusion.kernels.vector.registers import joined, load, store
from numpy_diffusion.kernels.vector.sandwich import make_sandwich, plain_sandwich


def _store_packed(builder, pointer, offset, value):
    """pointer[offset...] = a register, rounded, in half as many words."""
    store(builder, pointer, offset, packed(builder, value))


def make_rounded_sandwich(vector, *factors):
    """A `sandwich` that rounds C; its places and strides are counted in words."""
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_rounded_sandwich(vector, *factors)
    return make_sandwich(vector, *factors, keep=_store_packed)


def make_sandwich_of_pairs(vector, *factors):
    """A `sandwich` of words: of the first numbers of all, and of the second ones, side by side and rounded again."""
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_sandwich_of_pairs(vector, *factors)

    def take(builder, pointer, offset, register):
        pairs = load(builder, pointer, offset, register)
        return joined(builder, [first(builder, pairs), second(builder, pairs)])

    def keep(builder, pointer, offset, value):
        store(builder, pointer, offset, side_by_side(builder, value))

    return make_sandwich(vector, *factors, take=take, keep=keep)


def make_pairing_sandwich(vector, *factors):
    """A `sandwich` whose C has numbers before and words after: those numbers, and the results beside them."""
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_pairing_sandwich(vector, *factors)

    def keep(builder, pointer, offset, value):
        before = load(builder, pointer, offset, value.type)
        store(builder, pointer, offset, side_by_side(builder, joined(builder, [before, value])))

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


def plain_sandwich_of_pairs(vector, *factors):
    """The sandwich of pairs as a loop."""
    exact, side, columns = plain_sandwich(vector, *factors), len(factors[0]), len(factors[-1][0])

    @inline_jit
    def sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj):
        size, row, words = side * side * vector, columns * vector, A.ravel().view(np.uint32)
        taken, made = np.empty((2, columns * row), np.float32), np.empty(2 * size, np.float32)
        for i in range(columns):
            for n in range(row):
                word = words[a0 + i * ai + n // vector * aj + n % vector]
                taken[0, i * row + n], taken[1, i * row + n] = plain_first(word), plain_second(word)
        for half in range(2):
            exact(taken[half], 0, row, vector, S, s0, made, half * size, side * vector, vector)
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
