"""The gradient by a convolution's weights with products in bfloat16: that of `winograd.py`, V and dM rounded.

The maps before and after the products are in float32, and so are the sums.  These run over squares, so that pairs are
of neighbouring ones: the first's numbers are laid down in float32 where the words will be, and the second's then put
beside them.  Where the squares of all samples are an odd number, zeros stand beside the last.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import image, pitch, pixel
from numpy_diffusion.kernels.layers.winograd import PAD, PATCH, TAPS, A, B, add_weights, from_output, to_patch
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile
from numpy_diffusion.kernels.vector.bfloat16_sandwich import make_pairing_sandwich
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR

PAIRS = 64  # of squares at a time, at most
BUDGET = 16384  # pairs at a time, times input channels, at most

pair_patch = make_pairing_sandwich(VECTOR, tuple(zip(*B, strict=True)))
pair_output = make_pairing_sandwich(VECTOR, A)


class Scratch(NamedTuple):
    """Where the intermediate results of a block of squares are in the scratch."""

    zeros: int  # LANES zeros, from which sums start, and which stand for a patch that is not there
    v: int  # V: words [place, VECTOR channels, pair of squares, channel]
    apart_v: int  # numbers from a place to the next
    m: int  # dM: words [place, pair of squares, lane]
    apart_m: int
    du: int  # dU: [place, input channel, lane]
    apart_du: int
    end: int


@register_jitable
def scratch_for(pairs, C):
    """The scratch for so many pairs of squares at a time and C input channels."""
    apart_v, apart_m, apart_du = pairs * C + PAD, pairs * LANES + PAD, C * LANES + PAD
    m = LANES + PATCH * apart_v
    du = m + PATCH * apart_m
    return Scratch(0, LANES, apart_v, m, apart_m, du, apart_du, du + PATCH * apart_du)


@register_jitable
def pairs_at_a_time(C):
    """Pairs of squares of a block, at most."""
    return max(ROWS, min(PAIRS, BUDGET // C))


def scratch_size(C):
    """Numbers of scratch that the gradient by the weights needs."""
    return scratch_for(pairs_at_a_time(C), C).end


class Squares(NamedTuple):
    """The squares of a block, counted on over all samples: those of `own` of each, first..last - 1."""

    own: int
    first: int
    last: int


@inline_jit
def _corner(image, square):
    """Where the upper left pixel of a square starts: squares are counted along the rows."""
    across = image.width // 2
    return pixel(image, 2 * (square // across), 2 * (square % across))


@part_jit
def backward(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, the worker's panels; the squares of all samples are counted on.

    tables : a table of images for each sample;  src, dy : rows of them, images of numbers
    """
    scratch, first_dy = worker.scratch, image(tables[0], dy)
    C, J, own = image(tables[0], src).channels, first_dy.channels, first_dy.height // 2 * (first_dy.width // 2)
    most, end, size = pairs_at_a_time(C), own * tables.shape[0], C * LANES
    place = scratch_for(most, C)
    low, high = share(J // LANES, worker.part, worker.parts)
    scratch[place.zeros : place.zeros + LANES] = 0
    for first in range(0, end if low < high else 0, 2 * most):
        block = Squares(own, first, min(first + 2 * most, end))
        pairs = (block.last - first + 1) // 2
        _patches(worker.arena, tables, src, window.shift, block, scratch, place, most * VECTOR)
        for j in range(low * LANES, high * LANES, LANES):
            _slopes(worker.arena, tables, dy, j, block, scratch, place)
            for p in range(PATCH):
                for c in range(0, C, ROWS):
                    a0 = place.v + p * place.apart_v + c // VECTOR * most * VECTOR + c % VECTOR
                    pairs_tile(scratch, a0, 0, VECTOR, 1, scratch, place.m + p * place.apart_m, 0, LANES,
                               scratch, place.zeros, 0, scratch, place.du + p * place.apart_du + c * LANES, LANES,
                               1, pairs)  # fmt: skip
            for i in range(0, size, VECTOR):
                c0 = window.weight + j * TAPS * C + i
                add_weights(scratch, place.du + i, 4 * place.apart_du, place.apart_du, weights, c0, weights, c0,
                            3 * size, size)  # fmt: skip


@jit
def _patches(arena, tables, src, shift, block, scratch, place, apart):
    """V of a block's squares; `apart`: words from VECTOR channels to the next."""
    down, right = 4 * place.apart_v, place.apart_v
    for number in range(block.first, block.last):
        source, second = image(tables[number // block.own], src), (number - block.first) % 2
        C, row, to = source.channels, pitch(source), place.v + (number - block.first) // 2 * VECTOR
        a0, alone = source.at + shift * (row + C) + _corner(source, number % block.own) - pixel(source, 0, 0), 0
        for c in range(0, C, VECTOR):
            at = to + c // VECTOR * apart
            if second:
                pair_patch(arena, a0 + c, row, C, arena, 0, scratch, at, down, right)
            else:
                to_patch(arena, a0 + c, row, C, arena, 0, scratch, at, down, right)
                if number + 1 == block.last:
                    pair_patch(scratch, place.zeros, alone, alone, arena, 0, scratch, at, down, right)


@jit
def _slopes(arena, tables, dy, j, block, scratch, place):
    """dM of a block's squares, LANES channels from j on."""
    down, right = 4 * place.apart_m, place.apart_m
    for number in range(block.first, block.last):
        slope, second = image(tables[number // block.own], dy), (number - block.first) % 2
        J, row, at = slope.channels, pitch(slope), _corner(slope, number % block.own) + j
        for lane in range(0, LANES, VECTOR):
            to, alone = place.m + (number - block.first) // 2 * LANES + lane, 0
            if second:
                pair_output(arena, at + lane, row, J, arena, 0, scratch, to, down, right)
            else:
                from_output(arena, at + lane, row, J, arena, 0, scratch, to, down, right)
                if number + 1 == block.last:
                    pair_output(scratch, place.zeros, alone, alone, arena, 0, scratch, to, down, right)
