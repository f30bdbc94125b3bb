"""The gradient by the weights of a 3 x 3 convolution with 16 products where the definition has 36.

Forward, F(2 x 2, 3 x 3) of Lavin and Gray 2016, eq. 8: a square of 2 x 2 output pixels sees a patch of 4 x 4 input
pixels, and with the matrices A, B, G below,

    U = G w G^T [4, 4],    V = B^T x B [4, 4],    M = sum over input channels of U V,    y = A^T M A [2, 2].

The maps are linear, and the way back to the weights is each of them transposed:

    dM = A dy A^T,    dU = sum over squares of V dM,    dw += G^T dU G,

so for each of the 16 places of a patch there is a matrix product, [C, squares] x [squares, J], which the tile does.
The squares of samples that go together are counted on, and as many go together as the second cache holds.  The
convolution itself goes by larger squares (`squares.py`).
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.layers.images import image, pitch, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_LANES, WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.sandwich import make_sandwich
from numpy_diffusion.kernels.vector.tile import tile

A = ((1, 0), (1, 1), (1, -1), (0, -1))
B = ((1, 0, 0, 0), (0, 1, -1, 1), (-1, 1, 1, 0), (0, 0, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
PATCH, TAPS = 16, 9  # places of a patch, and of a window
SQUARES = 128  # at a time, at most
BUDGET = 32768  # squares at a time, times input channels, at most
PAD = 16  # numbers between the places, lest they all fall on the same lines of the first cache


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


to_patch = make_sandwich(VECTOR, _transposed(B))
from_output = make_sandwich(VECTOR, A)
add_weights = make_sandwich(VECTOR, _transposed(G), add=True)


def suits(C, J):
    """Whether these numbers of channels, in and out, fill the widest registers: the same ones on every machine."""
    return C % WIDEST_VECTOR == 0 and J % WIDEST_LANES == 0


class Scratch(NamedTuple):
    """Where the intermediate results of a block of squares are in the scratch."""

    v: int  # V: [place, square, input channel]
    apart_v: int  # numbers from a place to the next
    m: int  # dM: [place, square, lane]
    apart_m: int
    du: int  # dU: [place, input channel, lane]
    apart_du: int
    end: int


@register_jitable
def scratch_for(squares, C):
    """The scratch for so many squares at a time, or words of two, and C input channels."""
    apart_v, apart_m, apart_du = squares * C + PAD, squares * LANES + PAD, C * LANES + PAD
    m = PATCH * apart_v
    du = m + PATCH * apart_m
    return Scratch(0, apart_v, m, apart_m, du, apart_du, du + PATCH * apart_du)


@register_jitable
def squares_at_a_time(C):
    """Squares of a block, at most."""
    return max(WIDEST_ROWS, min(SQUARES, BUDGET // C))


def scratch_size(C):
    """Numbers of scratch that the gradient by the weights needs."""
    return scratch_for(squares_at_a_time(C), C).end


@part_jit
def backward(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, the worker's panels; the squares of all samples are counted on.

    tables : a table of images for each sample;  src, dy : rows of them
    """
    C = image(tables[0], src).channels
    most = squares_at_a_time(C)
    add(worker, tables, src, dy, weights, window, scratch_for(most, C), most, _patch, _slopes, _products)


@part_jit
def add(worker, tables, src, dy, weights, window, place, most, patch, slopes, products):
    """The same of at most so many squares at a time: `patch` makes V and `slopes` dM of a square, `products` dU, as
    `_patch`, `_slopes` and `_products` do here."""
    arena, scratch, first_dy = worker.arena, worker.scratch, image(tables[0], dy)
    C, across = image(tables[0], src).channels, first_dy.width // 2
    own = first_dy.height // 2 * across
    low, high = share(first_dy.channels // LANES, worker.part, worker.parts)
    size, end = C * LANES, own * tables.shape[0] if low < high else 0
    for first in range(0, end, most):
        count = min(most, end - first)
        for i in range(count):
            n, square = (first + i) // own, (first + i) % own
            y, x = 2 * (square // across), 2 * (square % across)
            patch(arena, image(tables[n], src), window.shift, y, x, scratch, place, i, count)
        for j in range(low * LANES, high * LANES, LANES):
            for i in range(count):
                n, square = (first + i) // own, (first + i) % own
                y, x = 2 * (square // across), 2 * (square % across)
                slopes(arena, image(tables[n], dy), y, x, j, scratch, place, i, count)
            products(scratch, place, C, count)
            for i in range(0, size, VECTOR):
                c0 = window.weight + j * TAPS * C + i
                add_weights(scratch, place.du + i, 4 * place.apart_du, place.apart_du, weights, c0, weights, c0,
                            3 * size, size)  # fmt: skip


@jit
def _patch(arena, src, shift, y, x, scratch, place, i, count):
    """V of the square at pixel y, x, the block's square i of `count`."""
    C, row = src.channels, pitch(src)
    a0, to = src.at + (y + shift) * row + (x + shift) * C, place.v + i * C
    for c in range(0, C, VECTOR):
        to_patch(arena, a0 + c, row, C, arena, 0, scratch, to + c, 4 * place.apart_v, place.apart_v)


@jit
def _slopes(arena, dy, y, x, j, scratch, place, i, count):
    """dM of the same square, LANES channels from j on."""
    J, row, a0, to = dy.channels, pitch(dy), pixel(dy, y, x) + j, place.m + i * LANES
    for lane in range(0, LANES, VECTOR):
        from_output(arena, a0 + lane, row, J, arena, 0, scratch, to + lane, 4 * place.apart_m, place.apart_m)


@jit
def _products(scratch, place, C, squares):
    """dU of so many squares."""
    for p in range(PATCH):
        for c in range(0, C, ROWS):
            tile(scratch, place.v + p * place.apart_v + c, C, 1, scratch, place.m + p * place.apart_m, LANES,
                 scratch, place.du + p * place.apart_du + c * LANES, LANES, squares)  # fmt: skip
