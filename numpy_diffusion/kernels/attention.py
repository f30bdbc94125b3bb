"""Attention between the pixels of one sample: the twin of `layers/attention.py`.

o[p] = sum over r of P[p, r] v[r],    P[p, :] = softmax over r of (q[p] . k[r]) / sqrt(d),    each head of d channels

q, k, v, o are images without a border.  A few rows of P at a time are made, used and forgotten, so that they never
leave the first cache; the gradient makes P again, a head at a time.  Both products that run over channels want the
second image's transposed, [channel, pixel], which is made on the way.
"""

import math

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import exp
from numpy_diffusion.kernels.images import AT, CHANNELS, HEIGHT, WIDTH, share
from numpy_diffusion.kernels.simd import LANES, ROWS, VECTOR, highest, narrow_tile, tile, total


@jit
def places(pixels):
    """L filled up to ROWS and to LANES."""
    return (pixels + ROWS - 1) // ROWS * ROWS, (pixels + LANES - 1) // LANES * LANES


@jit
def room(pixels, d):
    """Numbers of scratch that a forward pass needs behind its tile: a head's k transposed, and a few rows of P."""
    _, columns = places(pixels)
    return (d + 2 * ROWS) * columns


@jit
def forward(arena, q, k, v, dst, heads, scratch, part, parts):
    """dst from q, k, v; this part's pixels."""
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    _, columns = places(L)
    d, block = C // heads, 2 * ROWS
    low, high = share((L + block - 1) // block, part, parts)
    table = ROWS * LANES + d * columns
    for head in range(heads):
        first = head * d
        _turn(arena, k[AT] + first, L, C, d, columns, scratch)
        for p in range(low * block, high * block, block):
            _weights(arena, q[AT] + first + p * C, C, d, L, columns, min(block, L - p), scratch, scratch, table)
            _combine(arena, scratch, table, columns, 1, v[AT] + first, C, d, L,
                     dst[AT] + first + p * C, min(block, L - p), scratch)  # fmt: skip


@jit
def _weights(arena, at, C, d, L, columns, rows, scratch, table, first):
    """table[first...]: so many rows of P, from the queries at arena[at...] and the turned keys in scratch."""
    scale = np.float32(1.0 / math.sqrt(d))
    for p in range(0, rows, ROWS):
        for n in range(0, columns, LANES):
            tile(
                arena,
                at + p * C,
                1,
                C,
                scratch,
                ROWS * LANES + n,
                columns,
                table,
                first + p * columns + n,
                columns,
                d,
            )
    for row in range(rows):
        start = first + row * columns
        _softmax(table[start : start + columns], L, scale)


@jit
def _turn(arena, at, L, C, d, columns, scratch):
    """scratch[ROWS * LANES + c * columns + p] = arena[at + p * C + c], zeros behind L."""
    for c in range(d):
        to = ROWS * LANES + c * columns
        for p in range(L):
            scratch[to + p] = arena[at + p * C + c]
        scratch[to + L : to + columns] = 0


@jit
def _softmax(values, L, scale):
    """exp(scale x) over its sum, in place; zeros behind L."""
    columns = values.shape[0]
    for i in range(L, columns):
        values[i] = values[0]
    top = highest(values, 0, columns)
    for i in range(columns):
        values[i] = exp((values[i] - top) * scale)
    for i in range(L, columns):
        values[i] = 0
    inverse = np.float32(1) / total(values, 0, columns)
    for i in range(columns):
        values[i] *= inverse


@jit
def _combine(arena, table, a0, ai, ak, b0, C, d, depth, to, rows, scratch):
    """arena[to + i * C + c] = sum over k < depth of table[a0 + i * ai + k * ak] * arena[b0 + k * C + c], c < d."""
    narrow = d <= VECTOR
    height, width = (2 * ROWS, VECTOR) if narrow else (ROWS, LANES)
    for p in range(0, rows, height):
        for n in range(0, d, width):
            if narrow:
                narrow_tile(table, a0 + p * ai, ak, ai, arena, b0 + n, C, scratch, 0, width, depth)
            else:
                tile(table, a0 + p * ai, ak, ai, arena, b0 + n, C, scratch, 0, width, depth)
            for i in range(min(height, rows - p)):
                for c in range(min(width, d - n)):
                    arena[to + (p + i) * C + n + c] = scratch[i * width + c]


@jit
def backward(arena, q, k, v, do, dq, dk, dv, softmax, slopes, heads, scratch):
    """dq, dk, dv from do; softmax, slopes: where the arena has room for a head's P and dS, [L, L] filled up.

    dP = do v^T;  dS = P (dP - sum of dP P) / sqrt(d);  dq = dS k;  dk = dS^T q;  dv = P^T do.
    """
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    rows, columns = places(L)
    d = C // heads
    scale = np.float32(1.0 / math.sqrt(d))
    for head in range(heads):
        first = head * d
        _turn(arena, k[AT] + first, L, C, d, columns, scratch)
        _weights(arena, q[AT] + first, C, d, L, columns, L, scratch, arena, softmax)
        _turn(arena, v[AT] + first, L, C, d, columns, scratch)
        for p in range(0, rows, ROWS):
            for n in range(0, columns, LANES):
                to = slopes + p * columns + n
                tile(arena, do[AT] + first + p * C, 1, C, scratch, ROWS * LANES + n, columns, arena, to, columns, d)
        for p in range(L):
            at, to = softmax + p * columns, slopes + p * columns
            _softmax_backward(arena[at : at + columns], arena[to : to + columns], scale)
        _combine(arena, arena, slopes, columns, 1, k[AT] + first, C, d, L, dq[AT] + first, L, scratch)
        _combine(arena, arena, slopes, 1, columns, q[AT] + first, C, d, L, dk[AT] + first, L, scratch)
        _combine(arena, arena, softmax, 1, columns, do[AT] + first, C, d, L, dv[AT] + first, L, scratch)


@jit
def _softmax_backward(values, slopes, scale):
    """slopes = values (slopes - sum of slopes values) scale."""
    for i in range(values.shape[0]):
        slopes[i] *= values[i]
    along = total(slopes, 0, slopes.shape[0])
    for i in range(values.shape[0]):
        slopes[i] = (slopes[i] - along * values[i]) * scale
