"""Winograd's convolution with products in bfloat16: the forward pass of `winograd.py`, V and U rounded.

The maps before and after the products are in float32, and so are the sums.  ROWS squares go through a tile together,
and as many as the first caches hold meet a panel of U, which has to come from further away.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import NOWHERE, image, pitch, pixel
from numpy_diffusion.kernels.layers.winograd import PAD, PATCH, TAPS, A, B, G
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.bfloat16 import make_rounded_sandwich, pairs_tile, round_rows
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.sandwich import make_sandwich
from numpy_diffusion.kernels.vector.tile import move, prefetch_to_read

CENTRE = 5  # the place, (1, 1), that goes into all four outputs with a factor of 1
SQUARES = 4 * ROWS  # at a time, at most


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


to_patch = make_rounded_sandwich(VECTOR, _transposed(B))
to_weights = make_sandwich(VECTOR, G)
to_output, add_output = (make_sandwich(VECTOR, _transposed(A), add=add) for add in (False, True))
BUDGET = 16384  # squares at a time, times input channels, at most


class Scratch(NamedTuple):
    """Where the intermediate results of a block of squares are in the scratch."""

    squares: int  # at a time
    zeros: int  # LANES zeros, from which sums start
    starts: int  # LANES numbers for each square, from which those of the centre start
    v: int  # V: [place, square, pair of input channels]
    apart_v: int  # words from a place to the next
    m: int  # M: [place, square, lane]
    apart_m: int
    end: int


@register_jitable
def scratch_from(at, C):
    """The scratch from `at` on, for C input channels."""
    squares = max(ROWS, min(SQUARES, BUDGET // C // ROWS * ROWS))
    apart_v, apart_m = squares * C // 2 + PAD, squares * LANES + PAD
    starts = at + LANES
    v = starts + squares * LANES
    m = v + PATCH * apart_v
    return Scratch(squares, at, starts, v, apart_v, m, apart_m, m + PATCH * apart_m)


def scratch_size(C):
    """Numbers of scratch that a convolution of C input channels needs."""
    return scratch_from(0, C).end


@jit
def transform(weights, w0, words, u0, C, J, part, parts):
    """words[u0...] = U of weights[w0...], rounded: [panel, place, pair of channels, lane]; this part's share."""
    size, pairs, made = C * LANES, J // LANES * C // 2, np.empty(2 * PATCH * LANES, np.float32)
    low, high = share(pairs, part, parts)
    for i in range(low, high):
        panel, c = i // (C // 2), i % (C // 2)
        for n in range(0, 2 * LANES, VECTOR):  # of two input channels, the lanes one behind the other
            a0 = w0 + (panel * TAPS * C + 2 * c) * LANES + n
            to_weights(weights, a0, 3 * size, size, weights, 0, made, n, 8 * LANES, 2 * LANES)
        for p in range(PATCH):
            to = u0 + ((panel * PATCH + p) * C // 2 + c) * LANES
            round_rows(made, 2 * p * LANES, (2 * p + 1) * LANES, words, to, LANES)


@inline_jit
def _corner(image, square, row):
    """Where the square's pixel in this row, 0 or 1, starts: squares are counted along the rows."""
    across = image.width // 2
    return pixel(image, 2 * (square // across) + row, 2 * (square % across))


@part_jit
def forward(worker, tables, src, dst, words, u0, starts, at, residual):
    """dst = conv(src) + what each channel starts from (+ the image `residual`); the worker's rows of squares.

    tables : a table of images for each sample;  src, dst, residual : rows of them, images of numbers;  words[u0...] :
    what `transform` made;  starts : the first sample's start from the scratch's `starts` on, J numbers a sample;
    scratch[at...] is free
    """
    scratch, into = worker.scratch, image(tables[0], dst)
    C, J, across = image(tables[0], src).channels, into.channels, into.width // 2
    place, depth = scratch_from(at, C), C // 2
    low, high = share(into.height // 2, worker.part, worker.parts)
    own, skipped = (high - low) * across, low * across
    scratch[place.zeros : place.zeros + LANES] = 0
    for first in range(0, own * tables.shape[0], place.squares):
        count = min(place.squares, own * tables.shape[0] - first)
        for i in range(count):
            n, square = (first + i) // own, skipped + (first + i) % own
            _patches(worker.arena, image(tables[n], src), square, scratch, place, i)
        for j in range(0, J, LANES):
            for i in range(count):
                s = starts + (first + i) // own * J + j
                move(scratch, s, scratch, place.starts + i * LANES, LANES, False)
            for p in range(PATCH):
                b0 = u0 + (j * PATCH + p * LANES) * depth
                prefetch_to_read(words, b0 + LANES * depth, LANES * depth)
                for i in range(0, count, ROWS):
                    s, lds = (place.starts + i * LANES, LANES) if p == CENTRE else (place.zeros, 0)
                    pairs_tile(scratch, place.v + p * place.apart_v + i * depth, 0, 1, depth,
                               words, b0, 0, LANES, scratch, s, lds,
                               scratch, place.m + p * place.apart_m + i * LANES, LANES, 1, depth)  # fmt: skip
            for i in range(count):
                n, square = (first + i) // own, skipped + (first + i) % own
                into, other = image(tables[n], dst), image(tables[n], residual)
                _outputs(worker.arena, into, square, j, scratch, place, i, other)


@jit
def _patches(arena, src, square, scratch, place, at):
    """V of a square, the block's square `at`."""
    C, row, across = src.channels, pitch(src), src.width // 2
    a0 = src.at + 2 * (square // across * row + square % across * C)
    for c in range(0, C, VECTOR):
        to = place.v + (at * C + c) // 2
        to_patch(arena, a0 + c, row, C, arena, 0, scratch, to, 4 * place.apart_v, place.apart_v)


@jit
def _outputs(arena, dst, square, j, scratch, place, at, residual):
    """A square of LANES output channels from j on, from M of the block's square `at`."""
    J, row, corner = dst.channels, pitch(dst), _corner(dst, square, 0) + j
    for lane in range(0, LANES, VECTOR):
        a0, c0 = place.m + at * LANES + lane, corner + lane
        if residual.at == NOWHERE:
            to_output(scratch, a0, 4 * place.apart_m, place.apart_m, arena, 0, arena, c0, row, J)
        else:
            s0 = residual.at + c0 - dst.at
            add_output(scratch, a0, 4 * place.apart_m, place.apart_m, arena, s0, arena, c0, row, J)
