"""Attention between the pixels of one sample: the twin of `layers/attention.py`.

o[p] = sum over r of P[p, r] v[r],    P[p, :] = softmax over r of (q[p] . k[r]) / sqrt(d),    each head of d channels

q, k, v, o are images without a border; P is kept for the gradient, [head, L filled up to ROWS, L filled up to LANES].
Both products that run over channels want the second image's transposed, [channel, pixel], which is made on the way.
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
def forward(arena, q, k, v, dst, softmax, heads, scratch, part, parts):
    """dst from q, k, v; this part's pixels.  softmax: where P stands in the arena."""
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    rows, columns = places(L)
    d, scale = C // heads, np.float32(1.0 / math.sqrt(C // heads))
    low, high = share(rows // ROWS, part, parts)
    for head in range(heads):
        table = softmax + head * rows * columns
        _turn(arena, k[AT] + head * d, L, C, d, columns, scratch)
        for p in range(low * ROWS, high * ROWS, ROWS):
            for n in range(0, columns, LANES):
                to = table + p * columns + n
                tile(arena, q[AT] + head * d + p * C, 1, C, scratch, ROWS * LANES + n, columns, arena, to, columns, d)
            for row in range(p, min(p + ROWS, L)):
                at = table + row * columns
                _softmax(arena[at : at + columns], L, scale)
        first, count = low * ROWS, min(high * ROWS, L) - low * ROWS
        _combine(arena, table + first * columns, columns, 1, v[AT] + head * d, C, d, L,
                 dst[AT] + head * d + first * C, count, scratch)  # fmt: skip


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
def _combine(arena, a0, ai, ak, b0, C, d, depth, to, rows, scratch):
    """arena[to + i * C + c] = sum over k < depth of arena[a0 + i * ai + k * ak] * arena[b0 + k * C + c], c < d."""
    narrow = d <= VECTOR
    height, width = (2 * ROWS, VECTOR) if narrow else (ROWS, LANES)
    for p in range(0, rows, height):
        for n in range(0, d, width):
            if narrow:
                narrow_tile(arena, a0 + p * ai, ak, ai, arena, b0 + n, C, scratch, 0, width, depth)
            else:
                tile(arena, a0 + p * ai, ak, ai, arena, b0 + n, C, scratch, 0, width, depth)
            for i in range(min(height, rows - p)):
                for c in range(min(width, d - n)):
                    arena[to + (p + i) * C + n + c] = scratch[i * width + c]


@jit
def backward(arena, q, k, v, do, dq, dk, dv, softmax, slopes, heads, scratch):
    """dq, dk, dv from do; slopes: where [L, L] filled up has room in the arena for dS of a head.

    dP = do v^T;  dS = P (dP - sum of dP P) / sqrt(d);  dq = dS k;  dk = dS^T q;  dv = P^T do.
    """
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    rows, columns = places(L)
    d, scale = C // heads, np.float32(1.0 / math.sqrt(C // heads))
    for head in range(heads):
        table, first = softmax + head * rows * columns, head * d
        _turn(arena, v[AT] + first, L, C, d, columns, scratch)
        for p in range(0, rows, ROWS):
            for n in range(0, columns, LANES):
                to = slopes + p * columns + n
                tile(arena, do[AT] + first + p * C, 1, C, scratch, ROWS * LANES + n, columns, arena, to, columns, d)
        for p in range(L):
            at, to = table + p * columns, slopes + p * columns
            _softmax_backward(arena[at : at + columns], arena[to : to + columns], scale)
        _combine(arena, slopes, columns, 1, k[AT] + first, C, d, L, dq[AT] + first, L, scratch)
        _combine(arena, slopes, 1, columns, q[AT] + first, C, d, L, dk[AT] + first, L, scratch)
        _combine(arena, table, 1, columns, do[AT] + first, C, d, L, dv[AT] + first, L, scratch)


@jit
def _softmax_backward(values, slopes, scale):
    """slopes = values (slopes - sum of slopes values) scale."""
    for i in range(values.shape[0]):
        slopes[i] *= values[i]
    along = total(slopes, 0, slopes.shape[0])
    for i in range(values.shape[0]):
        slopes[i] = (slopes[i] - along * values[i]) * scale
