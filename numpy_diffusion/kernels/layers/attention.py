"""Attention of the pixels of one sample to each other, or to what else there is: the twin of `layers/attention.py`.

o[p] = sum over r of P[p, r] v[r],    P[p, :] = softmax over r of (q[p] . k[r]) / sqrt(d),    each head of d channels

over all r, or where it is causal over r <= p.

q, k, v, o are images without a border, k and v of as many pixels as there are keys.  P is made transposed, a row for
each key r and LANES queries p at a time: its softmax goes down the columns, no sum runs across a register, and the
products are the tile's.  Only the gradients by k and v, which sum over queries, are left to the inner tile.  The
forward pass is in `attention_blocks`; the gradient, here, keeps the P of a head.
"""

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.attention import INNER_ROWS, exp_columns, inner_tile, scaled_tile
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.tile import tile, transpose

HIDDEN = np.float32(-1e30)  # the score of what must not be seen
BLOCK = max(ROWS, VECTOR)  # channels that are turned back together
COLUMNS = max(LANES, WIDEST_VECTOR)  # queries that the sums over them take at a time
PAD = 16  # numbers between the rows of a whole P^T, lest a column of them fall on the same lines of the first cache


class BackwardScratch(NamedTuple):
    """Where a gradient keeps what in its scratch; a block of tiles comes first."""

    factors: int  # 1 / sqrt(d), LANES times
    shares: int  # 1 / the sum of E over the keys, of each query
    along: int  # -(do o), of each query
    turned_q: int  # q, do and o turned: [channel, pixel]
    turned_do: int
    turned_o: int
    own_do: int  # a head's do over the sums, turned
    end: int


class Matrices(NamedTuple):
    """Where the gradient of a head keeps its two matrices, counted from the start of their place in the arena."""

    apart: int  # numbers from a row to the next
    exps: int  # E^T: [key, query]
    slopes: int  # dS^T, likewise
    end: int


@register_jitable
def backward_scratch(pixels, C):
    """The scratch of a gradient over so many pixels and channels."""
    columns = round_up(pixels, COLUMNS)
    image = round_up(C, VECTOR) * columns
    factors = BLOCK * LANES
    shares = factors + LANES
    along = shares + columns
    turned_q = along + columns
    turned_do, turned_o, own_do = turned_q + image, turned_q + 2 * image, turned_q + 3 * image
    return BackwardScratch(factors, shares, along, turned_q, turned_do, turned_o, own_do, own_do + image)


@register_jitable
def matrices(pixels, keys):
    """The two matrices of a gradient over so many pixels and keys."""
    apart = round_up(pixels, COLUMNS) + PAD
    one = round_up(keys, ROWS) * apart
    return Matrices(apart, 0, one, 2 * one)


def backward_scratch_size(pixels, C):
    """Numbers of scratch that a gradient needs."""
    return backward_scratch(pixels, C).end


@jit
def scale(d):
    return np.float32(1.0 / math.sqrt(d))


@jit
def _turn(arena, image, factor, columns, scratch, to):
    """scratch[to + c * columns + p] = factor * channel c of pixel p, zeros behind the last pixel."""
    L, C = image.height * image.width, image.channels
    for c in range(0, C, VECTOR):
        for p in range(0, columns, VECTOR):
            transpose(arena, image.at + min(p, L - 1) * C + c, C, scratch, to + c * columns + p, columns)
    for c in range(C):
        row = scratch[to + c * columns : to + (c + 1) * columns]
        for p in range(L):
            row[p] *= factor
        row[L:] = 0


@jit
def _product(arena, at, C, K, d, turned, b0, columns, out, c0, ldc):
    """out[c0 + r * ldc + p] = sum over c of arena[at + r * C + c] * turned[b0 + c * columns + p], LANES columns p."""
    for r in range(0, K, ROWS):
        tile(arena, at + r * C, 1, C, turned, b0, columns, out, c0 + r * ldc, ldc, d)


@jit
def hide(table, at, ld, K, p):
    """The scores [key, lane] of LANES queries from p on, from table[at] on: HIDDEN of keys behind the query."""
    for r in range(max(p + 1, 0), K):
        table[at + r * ld : at + r * ld + min(LANES, r - p)] = HIDDEN


@inline_jit
def scale_rows(scratch, at, rows, factors):
    """Multiply rows of LANES numbers by as many factors; through slices, whose loops vectorise."""
    given = scratch[factors : factors + LANES]
    for i in range(rows):
        row = scratch[at + i * LANES : at + (i + 1) * LANES]
        for lane in range(LANES):
            row[lane] *= given[lane]


@jit
def _combine(arena, at, C, d, K, table, b0, ldb, to, pixels, scratch, factors):
    """arena[to + p * C + c] = scratch[factors + p] * sum over r: arena[at + r * C + c] * table[b0 + r * ldb + p]."""
    whole = d % BLOCK == 0 and pixels % VECTOR == 0
    height = BLOCK if whole else ROWS
    for c in range(0, d, height):
        for i in range(0, height, ROWS):
            tile(arena, at + c + i, C, 1, table, b0, ldb, scratch, i * LANES, LANES, K)
        scale_rows(scratch, 0, height, factors)
        if whole:
            for i in range(0, BLOCK, VECTOR):
                for p in range(0, pixels, VECTOR):
                    transpose(scratch, i * LANES + p, LANES, arena, to + p * C + c + i, C)
        else:
            for p in range(pixels):
                for i in range(min(ROWS, d - c)):
                    arena[to + p * C + c + i] = scratch[i * LANES + p]


@jit
def _gather(turned, a0, columns, table, b0, ldb, d, K, arena, to, C):
    """arena[to + r * C + c] = sum over p of turned[a0 + c * columns + p] * table[b0 + r * ldb + p]."""
    for r in range(0, K, 2):
        for c in range(0, d, INNER_ROWS):
            at, left, right = to + r * C + c, a0 + c * columns, b0 + r * ldb
            if c + INNER_ROWS <= d and r + 2 <= K:
                inner_tile(turned, left, columns, table, right, ldb, arena, at, C, columns)
                continue
            inner_tile(turned, left, columns, table, right, ldb, turned, 0, INNER_ROWS, columns)
            for i in range(min(2, K - r)):
                for j in range(min(INNER_ROWS, d - c)):
                    arena[at + i * C + j] = turned[i * INNER_ROWS + j]


@part_jit
def backward(worker, q, k, v, o, do, dq, dk, dv, at, heads, causal):
    """dq, dk, dv from do; the `matrices` of a head are kept in arena[at...].

    P = E / sum of E.  With each row of do over its sum, and dP = do v^T:  dS = E (dP - sum over channels of do o);
    dq = dS k / sqrt(d);  dk = dS^T q / sqrt(d);  dv = E^T do.
    """
    arena, scratch, C = worker.arena, worker.scratch, q.channels
    L, K = q.height * q.width, k.height * k.width
    d, columns, place, kept = C // heads, round_up(L, COLUMNS), backward_scratch(L, C), matrices(L, K)
    apart, exps, slopes = kept.apart, at + kept.exps, at + kept.slopes
    scratch[place.factors : place.factors + LANES] = scale(d)
    _turn(arena, q, scale(d), columns, scratch, place.turned_q)
    _turn(arena, do, np.float32(1), columns, scratch, place.turned_do)
    _turn(arena, o, np.float32(1), columns, scratch, place.turned_o)
    for head in range(heads):
        first, start = head * d, head * d * columns
        own_q, own_do, along = place.turned_q + start, place.own_do, place.along
        for p in range(0, columns, LANES):
            _product(arena, k.at + first, C, K, d, scratch, own_q + p, columns, arena, exps + p, apart)
            if causal:
                hide(arena, exps + p, apart, K, p)
            exp_columns(arena, exps + p, apart, K, scratch, place.shares + p)
        _share_out(scratch, place, start, d, columns)
        for p in range(0, columns, LANES):
            for r in range(0, K, ROWS):
                scaled_tile(arena, v.at + first + r * C, 1, C, scratch, own_do + p, columns, scratch, along + p,
                            arena, exps + r * apart + p, arena, slopes + r * apart + p, apart, d)  # fmt: skip
            to, pixels = dq.at + first + p * C, min(LANES, L - p)
            _combine(arena, k.at + first, C, d, K, arena, slopes + p, apart, to, pixels, scratch, place.factors)
        _gather(scratch, own_q, columns, arena, slopes, apart, d, K, arena, dk.at + first, C)
        _gather(scratch, own_do, columns, arena, exps, apart, d, K, arena, dv.at + first, C)


@part_jit
def _share_out(scratch, place, start, d, columns):
    """A head's do over its sums, and along = -(do o), the sum over its d channels; `start` of its turned channels."""
    share, total = scratch[place.shares : place.shares + columns], scratch[place.along : place.along + columns]
    total[:] = 0
    for c in range(d):
        row = start + c * columns
        gradient = scratch[place.turned_do + row : place.turned_do + row + columns]
        output = scratch[place.turned_o + row : place.turned_o + row + columns]
        shared = scratch[place.own_do + c * columns : place.own_do + (c + 1) * columns]
        for p in range(columns):
            shared[p] = gradient[p] * share[p]
        for p in range(columns):
            total[p] -= shared[p] * output[p]
