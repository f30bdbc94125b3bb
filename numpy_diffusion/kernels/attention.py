"""Attention between the pixels of one sample: the twin of `layers/attention.py`.

o[p] = sum over r of P[p, r] v[r],    P[p, :] = softmax over r of (q[p] . k[r]) / sqrt(d),    each head of d channels

q, k, v, o are images without a border.  P is made transposed, a row for each key r and LANES queries p at a time, so
that no sum ever runs across a register: its softmax goes down the columns, and all products are the tile's.  A
forward pass forgets a block of P when it has been used, while it is in the first cache; the gradient keeps a head's.
"""

import math

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.images import AT, CHANNELS, HEIGHT, WIDTH, share
from numpy_diffusion.kernels.simd import (
    LANES,
    ROWS,
    VECTOR,
    narrow_tile,
    softmax_columns,
    softmax_columns_backward,
    tile,
)

PAD = 16  # numbers between the rows of a whole P^T, lest a column of them fall on the same lines of the first cache


@jit
def places(pixels):
    """L filled up to ROWS and to LANES."""
    return (pixels + ROWS - 1) // ROWS * ROWS, (pixels + LANES - 1) // LANES * LANES


@jit
def room(pixels, d):
    """Numbers of scratch behind a tile: a head's q and do transposed, and forward LANES columns of P^T."""
    rows, columns = places(pixels)
    return 2 * d * columns + rows * LANES


@jit
def forward(arena, q, k, v, dst, heads, scratch, part, parts):
    """dst from q, k, v; this part's pixels."""
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    _, columns = places(L)
    d = C // heads
    low, high = share(columns // LANES, part, parts)
    turned = ROWS * LANES
    weights = turned + d * columns
    for head in range(heads):
        first = head * d
        _turn(arena, q[AT] + first, L, C, d, scale(d), columns, scratch, turned)
        for p in range(low * LANES, high * LANES, LANES):
            _product(arena, k[AT] + first, C, L, d, scratch, turned + p, columns, scratch, weights, LANES)
            softmax_columns(scratch, weights, LANES, L)
            to = dst[AT] + first + p * C
            _combine(arena, v[AT] + first, C, d, L, scratch, weights, LANES, to, min(LANES, L - p), np.float32(1), scratch)


@jit
def scale(d):
    return np.float32(1.0 / math.sqrt(d))


@jit
def _turn(arena, at, L, C, d, factor, columns, scratch, to):
    """scratch[to + c * columns + p] = factor * arena[at + p * C + c], zeros behind L."""
    for p in range(L):
        for c in range(d):
            scratch[to + c * columns + p] = factor * arena[at + p * C + c]
    for c in range(d):
        scratch[to + c * columns + L : to + (c + 1) * columns] = 0


@jit
def _product(arena, at, C, L, d, turned, b0, columns, out, c0, ldc):
    """out[c0 + r * ldc + p] = sum over c of arena[at + r * C + c] * turned[b0 + c * columns + p], LANES columns p."""
    for r in range(0, L, ROWS):
        tile(arena, at + r * C, 1, C, turned, b0, columns, out, c0 + r * ldc, ldc, d)


@jit
def _combine(arena, at, C, d, L, table, b0, ldb, to, pixels, factor, scratch):
    """arena[to + p * C + c] = factor * sum over r of arena[at + r * C + c] * table[b0 + r * ldb + p], for so many pixels p."""
    for c in range(0, d, ROWS):
        tile(arena, at + c, C, 1, table, b0, ldb, scratch, 0, LANES, L)
        for p in range(pixels):
            for i in range(min(ROWS, d - c)):
                arena[to + p * C + c + i] = factor * scratch[i * LANES + p]


@jit
def _gather(arena, table, a0, ai, at, C, d, L, to, factor, scratch):
    """arena[to + r * C + c] = factor * sum over p of table[a0 + r * ai + p] * arena[at + p * C + c]."""
    narrow = d <= VECTOR
    height, width = (2 * ROWS, VECTOR) if narrow else (ROWS, LANES)
    for r in range(0, L, height):
        for n in range(0, d, width):
            if narrow:
                narrow_tile(table, a0 + r * ai, 1, ai, arena, at + n, C, scratch, 0, width, L)
            else:
                tile(table, a0 + r * ai, 1, ai, arena, at + n, C, scratch, 0, width, L)
            for i in range(min(height, L - r)):
                for c in range(min(width, d - n)):
                    arena[to + (r + i) * C + n + c] = factor * scratch[i * width + c]


@jit
def backward(arena, q, k, v, do, dq, dk, dv, softmax, slopes, heads, scratch):
    """dq, dk, dv from do; softmax, slopes: where the arena has room for a head's P^T and dS^T, [L, L] filled up.

    dP = do v^T;  dS = P (dP - sum of dP P);  dq = dS k / sqrt(d);  dk = dS^T q / sqrt(d);  dv = P^T do.
    """
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    _, columns = places(L)
    apart, d = columns + PAD, C // heads
    turned_q = ROWS * LANES
    turned_do = turned_q + d * columns
    for head in range(heads):
        first = head * d
        _turn(arena, q[AT] + first, L, C, d, scale(d), columns, scratch, turned_q)
        _turn(arena, do[AT] + first, L, C, d, np.float32(1), columns, scratch, turned_do)
        for p in range(0, columns, LANES):
            _product(arena, k[AT] + first, C, L, d, scratch, turned_q + p, columns, arena, softmax + p, apart)
            softmax_columns(arena, softmax + p, apart, L)
            _product(arena, v[AT] + first, C, L, d, scratch, turned_do + p, columns, arena, slopes + p, apart)
            softmax_columns_backward(arena, softmax + p, arena, slopes + p, apart, L)
            to = dq[AT] + first + p * C
            _combine(arena, k[AT] + first, C, d, L, arena, slopes + p, apart, to, min(LANES, L - p), scale(d), scratch)
        _gather(arena, arena, slopes, apart, q[AT] + first, C, d, L, dk[AT] + first, scale(d), scratch)
        _gather(arena, arena, softmax, apart, do[AT] + first, C, d, L, dv[AT] + first, np.float32(1), scratch)
