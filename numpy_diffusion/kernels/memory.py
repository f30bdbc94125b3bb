"""Room for the kernels: whole registers, and cache lines of their own."""

import mmap

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


def in_small_pages(size):
    """Zeros [size] that start on a page, for gigabytes that are written once and then read.

    NumPy asks the system for pages of 2 MB.  On a virtual machine whose host takes back what lies free they come from
    there, and the host may take its time: measured, 3.4 GB of them were there after 0.2 to 6 s, of small pages, which
    come from what was in use just before, always after 0.6, and were read as fast.
    """
    return np.frombuffer(mmap.mmap(-1, 4 * size, access=mmap.ACCESS_COPY), np.float32)


def blocks(n):
    """How many blocks of LANES samples hold n of them."""
    return -(-n // LANES)
