"""Attention with products in bfloat16: the forward pass of `attention_blocks`, softmax and sums in float32.

q, k, v and the exponentials E are rounded, in pairs of what is summed over: of channels in q . k, of keys in E v.
The words of q and E take the place of the numbers that they are made from; those of a block of keys serve all queries
that are with them in the scratch, and where there is but one block, the whole head.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.layers.attention_blocks import (
    DEPTH,
    KEYS,
    begin,
    end,
    scale_down,
    scratch_for,
    units_of,
)
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.attention import exp_more
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile, round_pairs, round_rows
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.tile import move, use_full_registers


class Words(NamedTuple):
    """Where the words of a block of keys are, behind what is in the scratch of `attention_blocks`."""

    k: int  # [key, pair of channels]
    v: int  # [pair of keys, channel]
    apart: int  # words from a pair of keys to the next, twice those from a key to the next
    end: int


@register_jitable
def words_for(d):
    """The words for heads of so many channels."""
    k, apart = scratch_for(d).end, round_up(d, VECTOR)
    v = k + KEYS * apart // 2
    return Words(k, v, apart, v + KEYS * apart // 2)


def scratch_size(d):
    """Numbers of scratch for heads of so many channels."""
    return words_for(d).end


def suits(C, heads):
    """Whether channels fill the widest registers, and those of a head its tiles: the same ones on every machine."""
    return C % WIDEST_VECTOR == 0 and C // heads % WIDEST_ROWS == 0


@part_jit
def forward(worker, q, k, v, dst, heads):
    """dst from q, k, v; the worker's heads and pixels."""
    L, K, known = q.height * q.width, k.height * k.width, -1
    units = units_of(worker, L, heads)
    for unit in range(units.low, units.high):
        p, head = unit % units.blocks * units.queries, unit // units.blocks
        _found(worker.arena, worker.scratch, q, k, v, dst, head, heads, p, min(p + units.queries, L), head == known)
        known = head if K <= KEYS else -1


@jit
def _found(arena, scratch, q, k, v, dst, head, heads, low, high, known):
    """dst of the queries low..high - 1 in one head; whether its keys' words are there."""
    use_full_registers()
    C, K, d = q.channels, k.height * k.width, q.channels // heads
    place, words, first = scratch_for(d), words_for(d), head * d
    groups = begin(arena, scratch, q, first, d, low, high)
    for group in range(groups):
        _round_rows(scratch, place.turned + group * place.apart, d)
    for r in range(0, K, KEYS):
        keys = min(KEYS, K - r)
        if not known:
            _round_keys(arena, k.at + first + r * C, v.at + first + r * C, C, d, keys, scratch, words)
        for group in range(groups):
            at = group * place.apart
            _scores(scratch, words, keys, d, place, at)
            exp_more(scratch, place.weights, LANES, keys, scratch, place.group + at)
            if keys % 2:
                scratch[place.weights + keys * LANES : place.weights + (keys + 1) * LANES] = 0
            _round_rows(scratch, place.weights, keys + keys % 2)
            if r > 0:
                scale_down(scratch, place, at, d)
            _sum_more(scratch, words, keys, d, place, at, r == 0)
    end(scratch, arena, dst, first, d, low, high)


@part_jit
def _round_rows(scratch, at, rows):
    """The words of pairs of rows of LANES numbers, in place of them."""
    for i in range(rows // 2):
        first = at + 2 * i * LANES
        round_rows(scratch, first, first + LANES, scratch, at + i * LANES, LANES)


@part_jit
def _round_keys(arena, k, v, C, d, keys, scratch, words):
    """The words of a block of keys, whose k and v start at these places of the arena."""
    for r in range(keys):
        round_pairs(arena, k + r * C, scratch, words.k + r * words.apart // 2, words.apart)
    for r in range(0, keys - 1, 2):
        round_rows(arena, v + r * C, v + (r + 1) * C, scratch, words.v + r // 2 * words.apart, words.apart)
    if keys % 2:  # the last has no neighbour: zeros, and so it is among the exponentials
        place, last = scratch_for(d), keys - 1
        for c in range(0, d, VECTOR):
            move(arena, v + last * C + c, scratch, place.weights, VECTOR, False)
            to = words.v + last // 2 * words.apart + c
            round_rows(scratch, place.weights, place.zeros, scratch, to, VECTOR)


@jit
def _scores(scratch, words, keys, d, place, group):
    """scratch[weights + r * LANES + n] = sum over c of k[r, c] q[c, n] of a group's queries."""
    pairs = d // 2
    for c in range(0, pairs, DEPTH):
        for r in range(0, keys, ROWS):
            out = place.weights + r * LANES
            start, lds = (place.zeros, 0) if c == 0 else (out, LANES)
            pairs_tile(scratch, words.k + r * words.apart // 2 + c, 0, 1, words.apart // 2,
                       scratch, place.turned + group + c * LANES, 0, LANES,
                       scratch, start, lds, scratch, out, LANES, 1, min(DEPTH, pairs - c))  # fmt: skip


@jit
def _sum_more(scratch, words, keys, d, place, group, fresh):
    """Of a group's queries, o, or 0 where it is `fresh`, + the sum over keys of v E."""
    for c in range(0, d, ROWS):
        out = place.sums + group + c * LANES
        start, lds = (place.zeros, 0) if fresh else (out, LANES)
        pairs_tile(scratch, words.v + c, 0, words.apart, 1, scratch, place.weights, 0, LANES,
                   scratch, start, lds, scratch, out, LANES, 1, (keys + 1) // 2)  # fmt: skip
