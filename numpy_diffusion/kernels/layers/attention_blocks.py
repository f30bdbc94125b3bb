"""Attention forward, a block of keys at a time: the first half of the twin of `layers/attention.py`, see `attention`.

o[p] = sum over r of P[p, r] v[r],    P[p, :] = softmax over r of (q[p] . k[r]) / sqrt(d),    each head of d channels

The whole P of an image of 64 x 64 pixels would be 67 MB a head.  Of LANES queries and KEYS keys it stays in the first
cache, and is forgotten when it has been used: where the highest score of a query rises with a later block, what
stands of its sums is scaled down (Dao et al. 2022, arXiv 2205.14135; Milakov and Gimelshein 2018, arXiv 1805.02867).
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.attention import BLOCK, hide, scale, scale_rows
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.attention import exp_more
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.runs import runs_tile
from numpy_diffusion.kernels.vector.tile import transpose, use_full_registers

KEYS = 256  # at a time; it decides the order of sums where there are more
DEPTH = 256  # channels that a score sums at a time: of so many, LANES queries stay in the first cache
GROUPS = 4  # of LANES queries, for which a block of keys is fetched once


class Scratch(NamedTuple):
    """Where what is in the scratch."""

    zeros: int  # LANES zeros, from which sums start
    weights: int  # E^T of LANES queries and a block of keys: [key, lane]
    group: int  # of each LANES queries: highest score, sum of E and the last factor; 1 / the sum takes the factor's
    turned: int  # behind them, q turned: [channel, lane]
    sums: int  # and o, likewise
    apart: int  # numbers from a group to the next
    end: int


@register_jitable
def scratch_for(d):
    """The scratch for heads of so many channels."""
    weights = LANES
    group, channels = weights + KEYS * LANES, round_up(d, BLOCK) * LANES
    turned, apart = group + 3 * LANES, 3 * LANES + 2 * channels
    return Scratch(0, weights, group, turned, turned + channels, apart, group + GROUPS * apart)


def scratch_size(d):
    """Numbers of scratch for heads of so many channels."""
    return scratch_for(d).end


class Units(NamedTuple):
    """The units of a worker, low..high - 1: each some queries of one head, `blocks` of them a head."""

    low: int
    high: int
    blocks: int
    queries: int


@inline_jit
def units_of(worker, L, heads):
    """The worker's share of L queries in so many heads."""
    few = heads * L < 4 * GROUPS * LANES * worker.parts
    queries = LANES if few else GROUPS * LANES
    blocks = round_up(L, queries) // queries
    low, high = share(heads * blocks, worker.part, worker.parts)
    return Units(low, high, blocks, queries)


@part_jit
def forward(worker, q, k, v, dst, heads, causal):
    """dst from q, k, v; the worker's heads and pixels."""
    L = q.height * q.width
    units = units_of(worker, L, heads)
    for unit in range(units.low, units.high):
        p, head = unit % units.blocks * units.queries, unit // units.blocks
        _found(worker.arena, worker.scratch, q, k, v, dst, head, heads, p, min(p + units.queries, L), causal)


@jit
def _found(arena, scratch, q, k, v, dst, head, heads, low, high, causal):
    """dst of the queries low..high - 1, at most GROUPS times LANES, in one head."""
    use_full_registers()
    C, K, d = q.channels, k.height * k.width, q.channels // heads
    place, first = scratch_for(d), head * d
    groups = begin(arena, scratch, q, first, d, low, high)
    seen = high if causal else K
    for r in range(0, min(seen, K), KEYS):
        keys = min(KEYS, K - r)
        for group in range(groups):
            at, p = group * place.apart, low + group * LANES
            _scores(arena, k.at + first + r * C, C, keys, d, scratch, place.turned + at, place.weights, place.zeros)
            if causal:
                hide(scratch, place.weights, LANES, keys, p - r)
            exp_more(scratch, place.weights, LANES, keys, scratch, place.group + at)
            _sum_more(arena, v.at + first + r * C, C, d, keys, scratch, place, at, r == 0)
    end(scratch, arena, dst, first, d, low, high)


@part_jit
def begin(arena, scratch, q, first, d, low, high):
    """Prepare for the queries low..high - 1 in the head whose channels start at `first`; how many groups they are."""
    place, groups = scratch_for(d), round_up(high - low, LANES) // LANES
    scratch[place.zeros : place.zeros + LANES] = 0
    for group in range(groups):
        at = group * place.apart
        _turn_some(arena, q, low + group * LANES, first, d, scratch, place.turned + at)
        scratch[place.group + at : place.group + at + LANES] = -np.inf
        scratch[place.group + at + LANES : place.group + at + 2 * LANES] = 0
    return groups


@part_jit
def end(scratch, arena, dst, first, d, low, high):
    """dst of the queries low..high - 1 from their sums."""
    place, C, L = scratch_for(d), dst.channels, dst.height * dst.width
    for group in range(round_up(high - low, LANES) // LANES):
        at, p = group * place.apart, low + group * LANES
        total, factors = place.group + at + LANES, place.group + at + 2 * LANES
        shares, totals = scratch[factors : factors + LANES], scratch[total : total + LANES]
        for lane in range(LANES):
            shares[lane] = np.float32(1) / totals[lane]
        for c in range(0, d, BLOCK):
            to, rows = dst.at + first + c + p * C, min(BLOCK, d - c)
            _leave(
                scratch, place.sums + at + c * LANES, factors, rows, arena, to, C, min(LANES, L - p), place.weights
            )


@jit
def _turn_some(arena, image, p, first, d, scratch, to):
    """scratch[to + c * LANES + n] = channel first + c of pixel p + n, scaled; zeros behind the last pixel."""
    L, C, factor = image.height * image.width, image.channels, scale(d)
    for c in range(0, d, VECTOR):
        for n in range(0, LANES, VECTOR):
            transpose(arena, image.at + min(p + n, L - 1) * C + first + c, C, scratch, to + c * LANES + n, LANES)
    turned = scratch[to : to + d * LANES]
    for i in range(turned.shape[0]):
        turned[i] *= factor
    for c in range(d if p + LANES > L else 0):
        scratch[to + c * LANES + L - p : to + (c + 1) * LANES] = 0


@jit
def _scores(arena, at, C, keys, d, scratch, turned, to, zeros):
    """scratch[to + r * LANES + n] = sum over c of arena[at + r * C + c] * scratch[turned + c * LANES + n]."""
    for c in range(0, d, DEPTH):
        for r in range(0, keys, ROWS):
            out = to + r * LANES
            start, lds = (zeros, 0) if c == 0 else (out, LANES)
            runs_tile(arena, at + r * C + c, 0, 1, C, scratch, turned + c * LANES, 0, LANES,
                      scratch, start, lds, scratch, out, LANES, 1, min(DEPTH, d - c))  # fmt: skip


@jit
def _sum_more(arena, at, C, d, keys, scratch, place, group, fresh):
    """Of a group's queries, o scaled by its factors, or 0 where it is `fresh`, + the sum over keys of v E."""
    sums = place.sums + group
    if not fresh:
        scale_down(scratch, place, group, d)
    for c in range(0, d, ROWS):
        out = sums + c * LANES
        start, lds = (place.zeros, 0) if fresh else (out, LANES)
        runs_tile(arena, at + c, 0, C, 1, scratch, place.weights, 0, LANES,
                  scratch, start, lds, scratch, out, LANES, 1, keys)  # fmt: skip


@part_jit
def scale_down(scratch, place, group, d):
    """Multiply a group's sums of d channels by its factors."""
    scale_rows(scratch, place.sums + group, d, place.group + group + 2 * LANES)


@jit
def _leave(scratch, at, factors, rows, arena, to, C, pixels, spare):
    """arena[to + p * C + c] = scratch[at + c * LANES + p] times the factor of p.

    scratch[spare...] : a block may lie there
    """
    scale_rows(scratch, at, rows, factors)
    if rows == BLOCK and pixels % VECTOR == 0:
        for i in range(0, BLOCK, VECTOR):
            for p in range(0, pixels, VECTOR):
                transpose(scratch, at + i * LANES + p, LANES, arena, to + p * C + i, C)
        return
    for p in range(pixels):
        if p % VECTOR == 0:
            for i in range(0, rows, VECTOR):
                transpose(scratch, at + i * LANES + p, LANES, scratch, spare + i, BLOCK)
        left = spare + p % VECTOR * BLOCK
        pixel, channels = arena[to + p * C : to + p * C + rows], scratch[left : left + rows]
        for i in range(rows):
            pixel[i] = channels[i]
