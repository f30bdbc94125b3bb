"""The gradient by a convolution's weights with products in bfloat16: that of `winograd.py`, V and dM rounded.

The maps before and after the products are in float32, and so are the sums.  These run over squares, so that pairs are
of neighbouring ones: the first's numbers are laid down in float32 where the words will be, and the second's then put
beside them.  Where the squares of all samples are an odd number, zeros stand beside the last.
"""

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import image, pitch, pixel
from numpy_diffusion.kernels.layers.winograd import samples_of, scratch_for, squares_of, upper_left
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile
from numpy_diffusion.kernels.vector.bfloat16_sandwich import make_pairing_sandwich
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR

PAIRS = 64  # of squares at a time, at most
BUDGET = 16384  # pairs at a time, times input channels, at most

pair_patch = make_pairing_sandwich(VECTOR, tuple(zip(*winograd.B, strict=True)))
pair_output = make_pairing_sandwich(VECTOR, winograd.A)


@register_jitable
def pairs_at_a_time(C):
    """Pairs of squares of a block, at most."""
    return max(ROWS, min(PAIRS, BUDGET // C))


def scratch_size(C):
    """Numbers of scratch that the gradient by the weights needs; behind `winograd`'s are LANES zeros, from which sums
    start, and which stand for a square that is not there."""
    return scratch_for(pairs_at_a_time(C), C).end + LANES


@part_jit
def backward(worker, tables, src, dy, weights, window):
    """What `winograd.backward` does, rounded; V: words [place, VECTOR channels, pair of squares, channel]."""
    C = image(tables[0], src).channels
    most = pairs_at_a_time(C)
    place = scratch_for(most, C)
    worker.scratch[place.end : place.end + LANES] = 0
    winograd.add(worker, tables, src, dy, weights, window, place, 2 * most, _patches, _slopes, _products)


@jit
def _patches(arena, tables, src, shift, block, scratch, place):
    """V of a block's squares."""
    low, high = samples_of(block)
    for n in range(low, high):
        source, (first, last) = image(tables[n], src), squares_of(block, n)
        C, row = source.channels, pitch(source)
        apart = pairs_at_a_time(C) * VECTOR
        for square in range(first, last):
            y, x = upper_left(source, square - n * block.own)
            a0 = source.at + (y + shift) * row + (x + shift) * C
            for c in range(0, C, VECTOR):
                to = place.v + c // VECTOR * apart + (square - block.first) // 2 * VECTOR
                _lay_down(arena, a0 + c, row, C, scratch, to, place.apart_v, place, block, square,
                          winograd.to_patch, pair_patch)  # fmt: skip


@jit
def _slopes(arena, tables, dy, j, block, scratch, place):
    """dM of a block's squares, LANES channels from j on."""
    low, high = samples_of(block)
    for n in range(low, high):
        slope, (first, last) = image(tables[n], dy), squares_of(block, n)
        J, row = slope.channels, pitch(slope)
        for square in range(first, last):
            y, x = upper_left(slope, square - n * block.own)
            a0, to = pixel(slope, y, x) + j, place.m + (square - block.first) // 2 * LANES
            for lane in range(0, LANES, VECTOR):
                _lay_down(arena, a0 + lane, row, J, scratch, to + lane, place.apart_m, place, block, square,
                          winograd.from_output, pair_output)  # fmt: skip


@part_jit
def _lay_down(arena, a0, down, right, scratch, to, apart, place, block, square, alone, beside):
    """What a sandwich makes of a square's channels: `alone` lays the first of a pair down, `beside` puts the second
    beside it, and zeros beside the block's last where that is a first."""
    second = (square - block.first) % 2
    if second:
        beside(arena, a0, down, right, arena, 0, scratch, to, 4 * apart, apart)
    else:
        alone(arena, a0, down, right, arena, 0, scratch, to, 4 * apart, apart)
    if square + 1 == block.last and not second:
        beside(scratch, place.end, 0, 0, arena, 0, scratch, to, 4 * apart, apart)


@jit
def _products(scratch, place, C, squares):
    """dU of so many squares."""
    apart, pairs = pairs_at_a_time(C) * VECTOR, (squares + 1) // 2
    for p in range(winograd.PATCH):
        for c in range(0, C, ROWS):
            a0 = place.v + p * place.apart_v + c // VECTOR * apart + c % VECTOR
            pairs_tile(scratch, a0, 0, VECTOR, 1, scratch, place.m + p * place.apart_m, 0, LANES,
                       scratch, place.end, 0, scratch, place.du + p * place.apart_du + c * LANES, LANES,
                       1, pairs)  # fmt: skip
