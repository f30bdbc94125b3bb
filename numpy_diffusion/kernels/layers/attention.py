"""Attention between the pixels of one sample: the twin of `layers/attention.py`.

o[p] = sum over r of P[p, r] v[r],    P[p, :] = softmax over r of (q[p] . k[r]) / sqrt(d),    each head of d channels

q, k, v, o are images without a border.  P is made transposed, a row for each key r and LANES queries p at a time: its
softmax goes down the columns, no sum runs across a register, and the products are the tile's.  Only the gradients by
k and v, which sum over queries, are left to the inner tile.  A forward pass forgets a block of P when it has been
used, while it is in the first cache; the gradient keeps a head's.
"""

import math

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers.images import AT, CHANNELS, HEIGHT, WIDTH, share
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.attention import exp_columns, inner_tile, scaled_tile
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.tile import tile, transpose

PAD = 16  # numbers between the rows of a whole P^T, lest a column of them fall on the same lines of the first cache


def room(pixels, C):
    """Numbers of scratch behind a tile: at most three images turned, and a head's own of one and LANES columns."""
    rows, columns = round_up(pixels, ROWS), round_up(pixels, LANES)
    return LANES + 2 * columns + 4 * round_up(C, VECTOR) * columns + rows * LANES


def matrices(pixels):
    """Numbers of the two matrices that the gradient of a head needs in the arena."""
    return 2 * round_up(pixels, ROWS) * (round_up(pixels, LANES) + PAD)


@jit
def forward(arena, q, k, v, dst, heads, scratch, part, parts):
    """dst from q, k, v; this part's pixels."""
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    d, columns = C // heads, round_up(L, LANES)
    low, high = share(columns // LANES, part, parts)
    shares = ROWS * LANES
    turned = shares + LANES
    weights = turned + round_up(C, VECTOR) * columns
    _turn(arena, q, scale(d), columns, scratch, turned)
    for head in range(heads):
        first, own = head * d, turned + head * d * columns
        for p in range(low * LANES, high * LANES, LANES):
            _product(arena, k[AT] + first, C, L, d, scratch, own + p, columns, scratch, weights, LANES)
            exp_columns(scratch, weights, LANES, L, scratch, shares)
            to = dst[AT] + first + p * C
            _combine(arena, v[AT] + first, C, d, L, scratch, weights, LANES, to, min(LANES, L - p), scratch, shares)


@jit
def scale(d):
    return np.float32(1.0 / math.sqrt(d))


@jit
def _turn(arena, image, factor, columns, scratch, to):
    """scratch[to + c * columns + p] = factor * channel c of pixel p, zeros behind the last pixel."""
    L, C = image[HEIGHT] * image[WIDTH], image[CHANNELS]
    for c in range(0, C, VECTOR):
        for p in range(0, columns, VECTOR):
            transpose(arena, image[AT] + min(p, L - 1) * C + c, C, scratch, to + c * columns + p, columns)
    for c in range(C):
        row = scratch[to + c * columns : to + (c + 1) * columns]
        for p in range(L):
            row[p] *= factor
        row[L:] = 0


@jit
def _product(arena, at, C, L, d, turned, b0, columns, out, c0, ldc):
    """out[c0 + r * ldc + p] = sum over c of arena[at + r * C + c] * turned[b0 + c * columns + p], LANES columns p."""
    for r in range(0, L, ROWS):
        tile(arena, at + r * C, 1, C, turned, b0, columns, out, c0 + r * ldc, ldc, d)


@jit
def _combine(arena, at, C, d, L, table, b0, ldb, to, pixels, scratch, factors):
    """arena[to + p * C + c] = scratch[factors + p] * sum over r: arena[at + r * C + c] * table[b0 + r * ldb + p]."""
    for c in range(0, d, ROWS):
        tile(arena, at + c, C, 1, table, b0, ldb, scratch, 0, LANES, L)
        for p in range(pixels):
            for i in range(min(ROWS, d - c)):
                arena[to + p * C + c + i] = scratch[factors + p] * scratch[i * LANES + p]


@jit
def _gather(turned, a0, columns, table, b0, ldb, d, L, arena, to, C):
    """arena[to + r * C + c] = sum over p of turned[a0 + c * columns + p] * table[b0 + r * ldb + p]."""
    for r in range(0, L, 2):
        for c in range(0, d, ROWS):
            at, left, right = to + r * C + c, a0 + c * columns, b0 + r * ldb
            if c + ROWS <= d and r + 2 <= L:
                inner_tile(turned, left, columns, table, right, ldb, arena, at, C, columns)
                continue
            inner_tile(turned, left, columns, table, right, ldb, turned, 0, ROWS, columns)
            for i in range(min(2, L - r)):
                for j in range(min(ROWS, d - c)):
                    arena[at + i * C + j] = turned[i * ROWS + j]


@jit
def backward(arena, q, k, v, o, do, dq, dk, dv, at, heads, scratch):
    """dq, dk, dv from do; arena[at...] has room for a head's E^T and dS^T, `matrices`.

    P = E / sum of E.  With each row of do over its sum, and dP = do v^T:  dS = E (dP - sum over channels of do o);
    dq = dS k / sqrt(d);  dk = dS^T q / sqrt(d);  dv = E^T do.
    """
    L, C = q[HEIGHT] * q[WIDTH], q[CHANNELS]
    d, columns = C // heads, round_up(L, LANES)
    apart = columns + PAD
    exps, slopes = at, at + round_up(L, ROWS) * apart
    factors = ROWS * LANES
    shares = factors + LANES
    along = shares + columns
    turned_q = along + columns
    size = round_up(C, VECTOR) * columns
    turned_do, turned_o, own_do = turned_q + size, turned_q + 2 * size, turned_q + 3 * size
    scratch[factors : factors + LANES] = scale(d)
    _turn(arena, q, scale(d), columns, scratch, turned_q)
    _turn(arena, do, np.float32(1), columns, scratch, turned_do)
    _turn(arena, o, np.float32(1), columns, scratch, turned_o)
    for head in range(heads):
        first, start = head * d, head * d * columns
        own_q = turned_q + start
        for p in range(0, columns, LANES):
            _product(arena, k[AT] + first, C, L, d, scratch, own_q + p, columns, arena, exps + p, apart)
            exp_columns(arena, exps + p, apart, L, scratch, shares + p)
        _share_out(scratch, shares, turned_do + start, turned_o + start, d, columns, own_do, along)
        for p in range(0, columns, LANES):
            for r in range(0, L, ROWS):
                scaled_tile(arena, v[AT] + first + r * C, 1, C, scratch, own_do + p, columns, scratch, along + p,
                            arena, exps + r * apart + p, arena, slopes + r * apart + p, apart, d)  # fmt: skip
            to = dq[AT] + first + p * C
            _combine(arena, k[AT] + first, C, d, L, arena, slopes + p, apart, to, min(LANES, L - p), scratch, factors)
        _gather(scratch, own_q, columns, arena, slopes, apart, d, L, arena, dk[AT] + first, C)
        _gather(scratch, own_do, columns, arena, exps, apart, d, L, arena, dv[AT] + first, C)


@jit
def _share_out(scratch, shares, do, o, d, columns, own, along):
    """A head's do over its sum, and along = -(do o), the sum over channels, of each pixel."""
    share, total = scratch[shares : shares + columns], scratch[along : along + columns]
    total[:] = 0
    for c in range(d):
        gradient, output = scratch[do + c * columns : do + (c + 1) * columns], scratch[o + c * columns :]
        shared = scratch[own + c * columns : own + (c + 1) * columns]
        for p in range(columns):
            shared[p] = gradient[p] * share[p]
        for p in range(columns):
            total[p] -= shared[p] * output[p]
