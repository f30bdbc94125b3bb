"""The vector code of Winograd's convolution: a small constant matrix on both sides of a patch."""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.vector.registers import address, fma, like, load, size, store


def make_sandwich(vector, matrix, add=False, keep=store):
    """The intrinsic sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj): C = M A M^T, where `add` S + M A M^T.

    The entries are registers of `vector` numbers: A[i, j] lies at a0 + i * ai + j * aj, S[i, j] and C[i, j] at s0 or
    c0 + i * ci + j * cj.  The small `matrix` M is known to the compiler, which makes sums and differences of it.
    Where there is no compiler it is the loop.  `keep` stores C, as `registers.store` does.
    """
    if config.DISABLE_JIT:  # stepping through kernels with a debugger
        return plain_sandwich(vector, matrix, add)

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

            n = range(len(matrix[0]))
            columns = [[load(builder, place(a, i, j, args[2:4]), 0, register) for i in n] for j in n]
            rows = zip(*([_combined(builder, line, column) for line in matrix] for column in columns), strict=True)
            for i, row in enumerate(rows):
                for j, line in enumerate(matrix):
                    value = _combined(builder, line, row)
                    if add:
                        value = builder.fadd(value, load(builder, place(s, i, j, args[8:]), 0, register))
                    keep(builder, place(c, i, j, args[8:]), 0, value)
            return context.get_dummy_value()

        return signature, codegen

    return sandwich


def _combined(builder, factors, registers):
    """The sum of the registers, each times its factor."""
    terms = sorted(((f, r) for f, r in zip(factors, registers, strict=True) if f), key=lambda term: -term[0])
    first, total = terms[0]
    total = total if first == 1 else builder.fmul(total, like(total, first))
    for factor, register in terms[1:]:
        if abs(factor) == 1:
            total = builder.fadd(total, register) if factor > 0 else builder.fsub(total, register)
        else:
            total = fma(builder, register, like(register, factor), total)
    return total


def plain_sandwich(vector, matrix, add=False):
    """The sandwich of a matrix as a loop."""
    M = np.array(matrix, np.float32)

    @inline_jit
    def sandwich(A, a0, ai, aj, S, s0, C, c0, ci, cj):
        a, start, c = A.ravel(), S.ravel(), C.ravel()
        for n in range(vector):
            for i in range(M.shape[0]):
                for j in range(M.shape[0]):
                    at = i * ci + j * cj + n
                    total = start[s0 + at] if add else np.float32(0)
                    for k in range(M.shape[1]):
                        for m in range(M.shape[1]):
                            total += M[i, k] * M[j, m] * a[a0 + k * ai + m * aj + n]
                    c[c0 + at] = total

    return sandwich
