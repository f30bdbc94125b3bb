"""Room for the kernels: whole registers, and cache lines of their own."""

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels.vector.registers import LANES


@register_jitable
def round_up(n, multiple):
    """`n` rounded up to a multiple of `multiple`; for Python and for kernels."""
    return -(-n // multiple) * multiple


def aligned(size):
    """Zeros, float32 [size], that start on a cache line of 64 bytes: a register never straddles two."""
    memory = np.zeros(size + 16, np.float32)
    start = -(memory.ctypes.data // 4) % 16
    return memory[start : start + size]


def blocks(n):
    """How many blocks of LANES samples hold n of them."""
    return -(-n // LANES)
