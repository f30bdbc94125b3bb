"""The gradient by a convolution's weights with products in bfloat16: that of `winograd.py`, V and dM rounded.

The maps before and after the products are in float32, and so are the sums.  These run over squares, so that pairs are
of neighbouring ones: the first's numbers are laid down in float32 where the words will be, and the second's then put
beside them.  Where the squares of all samples are an odd number, zeros stand beside the last.
"""

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import image, pitch, pixel
from numpy_diffusion.kernels.layers.winograd import scratch_for
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
    winograd.add(worker, tables, src, dy, weights, window, place, 2 * most, _patch, _slopes, _products)


@jit
def _patch(arena, src, shift, y, x, scratch, place, i, count):
    """V of the square at pixel y, x, the block's square i of `count`."""
    C, row = src.channels, pitch(src)
    a0, apart = src.at + (y + shift) * row + (x + shift) * C, pairs_at_a_time(C) * VECTOR
    for c in range(0, C, VECTOR):
        to = place.v + c // VECTOR * apart + i // 2 * VECTOR
        _lay_down(arena, a0 + c, row, C, scratch, to, place.apart_v, place, i, count, winograd.to_patch, pair_patch)


@jit
def _slopes(arena, dy, y, x, j, scratch, place, i, count):
    """dM of the same square, LANES channels from j on."""
    J, row, a0, to = dy.channels, pitch(dy), pixel(dy, y, x) + j, place.m + i // 2 * LANES
    for lane in range(0, LANES, VECTOR):
        _lay_down(arena, a0 + lane, row, J, scratch, to + lane, place.apart_m, place, i, count,
                  winograd.from_output, pair_output)  # fmt: skip


@part_jit
def _lay_down(arena, a0, down, right, scratch, to, apart, place, i, count, alone, beside):
    """What a sandwich makes of a square's channels: `alone` lays the first of a pair down, `beside` puts the second
    beside it, and zeros beside the block's last where that is a first."""
    if i % 2:
        beside(arena, a0, down, right, arena, 0, scratch, to, 4 * apart, apart)
        return
    alone(arena, a0, down, right, arena, 0, scratch, to, 4 * apart, apart)
    if i + 1 == count:
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
