"""The vector code of Winograd's convolution: a small constant matrix on both sides of a patch."""

import functools

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import address, fma, like, load, size, store


def make_sandwich(vector, *factors, add=False, one=False, take=load, keep=store):
    """The intrinsic sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj): C = M A M^T, where `add` S + M A M^T.

    The entries are registers of `vector` numbers: A[i, j] lies at a0 + i * ai + j * aj, S[i, j] and C[i, j] at s0 or
    c0 + i * ci + j * cj; where `one`, a single register at s0 is all of S.  The small matrix M is known to the
    compiler, which makes sums and differences of it; it is the product of `factors`, applied from the last to the
    first, for a sum that several lines need is then made once.  `take` loads A and `keep` stores C, as
    `registers.load` and `registers.store` do.  Where there is no compiler it is the loop.
    """
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_sandwich(vector, *factors, add=add, one=one)

    @intrinsic
    def sandwich(typingctx, A, a0, ai, aj, S, s0, C, c0, ci, cj):
        n = types.intp
        signature = types.void(A, n, n, n, S, n, C, n, n, n)

        def codegen(context, builder, signature, args):
            a, s, c = (address(context, builder, signature, args, at) for at in (0, 4, 6))
            register = ir.VectorType(ir.FloatType(), vector)

            def place(pointer, i, j, strides):
                steps = [builder.mul(size(n), stride) for n, stride in zip((i, j), strides, strict=True)]
                return builder.gep(pointer, [builder.add(*steps)])

            n = range(len(factors[-1][0]))
            start = load(builder, s, 0, register) if one else None
            columns = [[take(builder, place(a, i, j, args[2:4]), 0, register) for i in n] for j in n]
            rows = zip(*(_applied(builder, factors, column) for column in columns), strict=True)
            for i, row in enumerate(rows):
                for j, value in enumerate(_applied(builder, factors, row)):
                    if add:
                        term = start if one else load(builder, place(s, i, j, args[8:]), 0, register)
                        value = builder.fadd(value, term)
                    keep(builder, place(c, i, j, args[8:]), 0, value)
            return context.get_dummy_value()

        return signature, codegen

    return sandwich


def _applied(builder, factors, registers):
    """The registers as a column, multiplied by the matrices, the last first."""
    for matrix in reversed(factors):
        registers = [_combined(builder, line, registers) for line in matrix]
    return registers


def _combined(builder, line, registers):
    """The sum of the registers, each times its factor; it begins with one that stays as it is, if there is any."""
    terms = [(f, r) for f, r in zip(line, registers, strict=True) if f]
    (first, total), *others = sorted(terms, key=lambda term: (term[0] != 1, -term[0]))
    total = total if first == 1 else builder.fmul(total, like(total, first))
    for factor, register in others:
        if abs(factor) == 1:
            total = builder.fadd(total, register) if factor > 0 else builder.fsub(total, register)
        else:
            total = fma(builder, register, like(register, factor), total)
    return total


def plain_sandwich(vector, *factors, add=False, one=False):
    """The sandwich of a matrix as a loop."""
    M = functools.reduce(np.matmul, [np.array(factor) for factor in factors]).astype(np.float32)

    @inline_jit
    def sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj):
        a, start, c = A.ravel(), S.ravel(), C.ravel()
        for n in range(vector):
            for i in range(M.shape[0]):
                for j in range(M.shape[0]):
                    at = i * ci + j * cj + n
                    total = start[s0 + n if one else s0 + at] if add else np.float32(0)
                    for k in range(M.shape[1]):
                        for m in range(M.shape[1]):
                            total += M[i, k] * M[j, m] * a[a0 + k * ai + m * aj + n]
                    c[c0 + at] = total

    return sandwich
