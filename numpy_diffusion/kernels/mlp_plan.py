"""How an MLP lies in memory for the kernels.

Samples are the lanes of the vector registers: activations are [feature, lane], one block of LANES samples at a
time.  The weights are read where they are, in the flat parameters; the last tile of a matrix may reach past its
rows, so the buffer has room behind its end, and what such rows give is never used.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels.registers import LANES, ROWS, VECTOR

# Columns of the table: one row a matrix, from the input layer to the output layer.
J, K = 0, 1  # outputs and inputs
JP, KP = 2, 3  # the same, filled up to whole registers
WEIGHT, BIAS = 4, 5  # where [J, K] and [J] start in the flat parameters


class Network(NamedTuple):
    """An MLP as its kernels see it: `table` int64 [matrices, 6] and `weights` float32, flat, with room behind."""

    table: np.ndarray
    weights: np.ndarray


def network(shapes, parameters):
    """The network of weight matrices with these (J, K), whose flat parameters are weight, bias, weight, bias, ..."""
    table, start = np.zeros((len(shapes), 6), np.int64), 0
    for row, (j, k) in zip(table, shapes, strict=True):
        row[:] = j, k, up(j, VECTOR), up(k, VECTOR), start, start + j * k
        start += j * k + j
    weights = aligned(start + ROWS * int(table[:, K].max()))
    weights[:start] = parameters
    return Network(table, weights)


@register_jitable
def up(n, multiple):
    """`n` filled up to a multiple; for Python and for kernels."""
    return -(-n // multiple) * multiple


def aligned(size):
    """Zeros, float32 [size], that start on a cache line of 64 bytes: a register never straddles two."""
    memory = np.zeros(size + 16, np.float32)
    start = -(memory.ctypes.data // 4) % 16
    return memory[start : start + size]


def blocks(n):
    """How many blocks of LANES samples hold n of them."""
    return -(-n // LANES)
