"""Attention with products in bfloat16: the forward pass of `attention.py`, softmax and sums in float32.

q, k, v and the exponentials E are rounded, in pairs of what is summed over: of channels in q . k, of keys in E v.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.layers.attention import scale
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.attention import exp_columns
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile, round_pairs, round_rows
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.tile import transpose, use_full_registers


class Scratch(NamedTuple):
    """Where a forward pass keeps what in its scratch; the outputs of LANES queries come first, [channel, query]."""

    zeros: int  # as many as there are channels, or LANES
    shares: int  # 1 / the sum of E over the keys, of LANES queries
    turned: int  # some channels of q turned: [channel, pixel]
    q: int  # words [pair of channels, pixel]
    k: int  # words [key, pair of channels]
    v: int  # words [pair of keys, channel]
    exps: int  # E of LANES queries: [key, query]
    pairs: int  # words [pair of keys, query]
    end: int


@register_jitable
def scratch(pixels, keys, C):
    """The scratch of a forward pass over so many pixels, keys and channels."""
    columns, pairs, wide = round_up(pixels, LANES), (keys + 1) // 2, max(LANES, C)
    zeros = C * LANES
    shares = zeros + wide
    turned = shares + LANES
    q = turned + VECTOR * columns
    k = q + C // 2 * columns
    v = k + round_up(keys, ROWS) * C // 2
    exps = v + pairs * C
    words = exps + round_up(keys + 1, ROWS) * LANES
    return Scratch(zeros, shares, turned, q, k, v, exps, words, words + pairs * LANES)


def scratch_size(pixels, keys, C):
    """Numbers of scratch that attention needs."""
    return scratch(pixels, keys, C).end


def suits(C, heads):
    """Whether channels fill the widest registers, and those of a head its tiles: the same ones on every machine."""
    return C % WIDEST_VECTOR == 0 and C // heads % WIDEST_ROWS == 0


@part_jit
def forward(worker, q, k, v, dst, heads):
    """dst from q, k, v; the worker's pixels."""
    arena, own, C = worker.arena, worker.scratch, q.channels
    L, K = q.height * q.width, k.height * k.width
    d, columns, place = C // heads, round_up(L, LANES), scratch(L, K, C)
    low, high = share(columns // LANES, worker.part, worker.parts)
    own[place.zeros : place.shares] = 0
    if low < high:
        _round_all(arena, own, q, k, v, place, scale(d), low * LANES, high * LANES)
    for p in range(low * LANES, high * LANES, LANES):
        for head in range(heads):
            _head(own, place, C, d, head, K, p, columns)
        _leave(arena, own, place, dst, C, p, min(LANES, L - p))


@jit
def _round_all(arena, own, q, k, v, place, factor, low, high):
    """The words of k and v, and of q's pixels low..high - 1, times the factor."""
    use_full_registers()
    C, K, L, columns = q.channels, k.height * k.width, q.height * q.width, round_up(q.height * q.width, LANES)
    round_pairs(arena, k.at, own, place.k, K * C)
    for r in range(K // 2):
        at = v.at + 2 * r * C
        round_rows(arena, at, at + C, own, place.v + r * C, C)
    if K % 2:  # the last has no neighbour: zeros, and so it is among the exponentials
        for c in range(C):
            own[c], own[C + c] = arena[v.at + (K - 1) * C + c], 0
        round_rows(own, 0, C, own, place.v + K // 2 * C, C)
    for c in range(0, C, VECTOR):
        for p in range(low, high, VECTOR):
            transpose(arena, q.at + min(p, L - 1) * C + c, C, own, place.turned + p, columns)
        for i in range(VECTOR):
            row = own[place.turned + i * columns + low : place.turned + i * columns + high]
            for p in range(row.shape[0]):
                row[p] *= factor
        for i in range(0, VECTOR, 2):
            at, to = place.turned + i * columns + low, place.q + (c + i) // 2 * columns + low
            round_rows(own, at, at + columns, own, to, high - low)


@jit
def _head(own, place, C, d, head, K, p, columns):
    """The outputs of a head at LANES queries from p on, [channel, query]."""
    first, pairs = head * d, (K + 1) // 2
    for r in range(0, K, ROWS):
        pairs_tile(own, place.k + r * C // 2 + first // 2, 0, 1, C // 2,
                   own, place.q + first // 2 * columns + p, 0, columns, own, place.zeros, 0,
                   own, place.exps + r * LANES, LANES, 1, d // 2)  # fmt: skip
    exp_columns(own, place.exps, LANES, K, own, place.shares)
    if K % 2:
        own[place.exps + K * LANES : place.exps + (K + 1) * LANES] = 0
    for r in range(pairs):
        at = place.exps + 2 * r * LANES
        round_rows(own, at, at + LANES, own, place.pairs + r * LANES, LANES)
    for c in range(first, first + d, ROWS):
        pairs_tile(own, place.v + c, 0, C, 1, own, place.pairs, 0, LANES, own, place.zeros, 0,
                   own, c * LANES, LANES, 1, pairs)  # fmt: skip
    for c in range(first, first + d):
        row, factors = own[c * LANES : (c + 1) * LANES], own[place.shares : place.shares + LANES]
        for n in range(LANES):
            row[n] *= factors[n]


@jit
def _leave(arena, own, place, dst, C, p, pixels):
    """The outputs of LANES queries from p on, turned back into the image."""
    if pixels % VECTOR == 0:
        for c in range(0, C, VECTOR):
            for n in range(0, pixels, VECTOR):
                transpose(own, c * LANES + n, LANES, arena, dst.at + (p + n) * C + c, C)
    else:
        for n in range(pixels):
            for c in range(C):
                arena[dst.at + (p + n) * C + c] = own[c * LANES + n]
