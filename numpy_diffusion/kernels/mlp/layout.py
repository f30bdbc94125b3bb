"""How an MLP lies in memory for the kernels.

Samples are the lanes of the vector registers: activations are [feature, lane], one block of LANES samples at a
time.  The weights are read where they are, in the flat parameters; the last tile of a matrix may reach past its
rows, so the buffer has room behind its end, and what such rows give is never used.
"""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.memory import aligned, round_up
from numpy_diffusion.kernels.vector.registers import ROWS, VECTOR

# Columns of the table: one row a matrix, from the input layer to the output layer.
J, K = 0, 1  # outputs and inputs
JP, KP = 2, 3  # the same, filled up to whole registers
WEIGHT, BIAS = 4, 5  # where [J, K] and [J] start in the flat parameters


class Network(NamedTuple):
    """An MLP as its kernels see it: `table` int64 [matrices, 6] and `weights`, flat, with room behind: float32, or
    float64 for a likelihood."""

    table: np.ndarray
    weights: np.ndarray
    octaves: int  # of sines and cosines beside each coordinate


def network(shapes, parameters, octaves, dtype=np.float32):
    """The network of weight matrices with these (J, K), whose flat parameters are weight, bias, weight, bias, ..."""
    table, start = np.zeros((len(shapes), 6), np.int64), 0
    for row, (j, k) in zip(table, shapes, strict=True):
        row[:] = j, k, round_up(j, VECTOR), round_up(k, VECTOR), start, start + j * k
        start += j * k + j
    weights = aligned(start + ROWS * int(table[:, K].max()), dtype)
    weights[:start] = parameters
    return Network(table, weights, octaves)
