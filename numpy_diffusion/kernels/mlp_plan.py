"""How an MLP lies in memory for the kernels: the table of its matrices, and its weights packed for the tile.

Samples are the lanes of the vector registers: activations are [feature, lane], one block of LANES samples at a
time.  A weight matrix [J, K] is packed in panels of ROWS outputs, [panel, k, row], so that the tile reads it from
front to back; the backward pass reads its transpose, packed likewise.  What does not fill a panel or a register
is zeros.
"""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.simd import LANES, ROWS, VECTOR

# Columns of the table: one row a matrix, from the input layer to the output layer.
J, K = 0, 1  # outputs and inputs
JP, KP = 2, 3  # the same, filled up to whole registers
WEIGHT, BIAS = 4, 5  # where [J, K] and [J] start in the flat parameters
PACK, PACK_T, PACK_BIAS = 6, 7, 8  # where the packed forms start in the packed buffer
COLUMNS = 9


class Packed(NamedTuple):
    """An MLP as its kernels see it: `table` int64 [matrices, COLUMNS] and `weights` float32, flat."""

    table: np.ndarray
    weights: np.ndarray


def up(n, multiple):
    """`n` filled up to a multiple."""
    return -(-n // multiple) * multiple


def plan(shapes):
    """The table for weight matrices of these (J, K), whose flat parameters are weight, bias, weight, bias, ...

    Returns
    -------
    table : int64 [matrices, COLUMNS]
    size : length of the packed buffer
    """
    table = np.zeros((len(shapes), COLUMNS), np.int64)
    parameter = packed = 0
    for row, (j, k) in zip(table, shapes, strict=True):
        jp, kp = up(j, VECTOR), up(k, VECTOR)
        row[:] = j, k, jp, kp, parameter, parameter + j * k, packed, packed + jp * kp, packed + 2 * jp * kp
        parameter += j * k + j
        packed += 2 * jp * kp + jp
    return table, packed


def pack(table, size, parameters):
    """The flat parameters in packed form: float32 [size], aligned to the cache lines."""
    weights = aligned(size)
    for j, k, jp, kp, weight, bias, at, at_t, at_bias in table.tolist():
        full = np.zeros((jp, kp), np.float32)
        full[:j, :k] = parameters[weight:bias].reshape(j, k)
        weights[at : at + jp * kp] = full.reshape(jp // ROWS, ROWS, kp).transpose(0, 2, 1).ravel()
        weights[at_t : at_t + jp * kp] = full.T.reshape(kp // ROWS, ROWS, jp).transpose(0, 2, 1).ravel()
        weights[at_bias : at_bias + j] = parameters[bias : bias + j]
    return weights


def aligned(size):
    """Zeros, float32 [size], that start on a cache line of 64 bytes: a register never straddles two."""
    memory = np.zeros(size + 16, np.float32)
    start = -(memory.ctypes.data // 4) % 16
    return memory[start : start + size]


def blocks(n):
    """How many blocks of LANES samples hold n of them."""
    return -(-n // LANES)
