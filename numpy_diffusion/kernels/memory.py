"""Room for the kernels: whole registers, and cache lines of their own."""

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels.vector.registers import LANES


@register_jitable
def round_up(n, multiple):
    """`n` rounded up to a multiple of `multiple`; for Python and for kernels."""
    return -(-n // multiple) * multiple


def aligned(size, dtype=np.float32):
    """Zeros [size] that start on a cache line of 64 bytes: a register never straddles two."""
    a_line = 64 // np.dtype(dtype).itemsize
    memory = np.zeros(size + a_line, dtype)
    start = -(memory.ctypes.data * a_line // 64) % a_line
    return memory[start : start + size]


def blocks(n):
    """How many blocks of LANES samples hold n of them."""
    return -(-n // LANES)
