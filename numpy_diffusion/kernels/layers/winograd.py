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

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
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


class Block(NamedTuple):
    """Squares first..last - 1, counted on over all samples, of which each has `own`."""

    own: int
    first: int
    last: int


@inline_jit
def samples_of(block):
    """The first sample that has squares in a block, and the one behind the last."""
    return block.first // block.own, (block.last + block.own - 1) // block.own


@inline_jit
def squares_of(block, n):
    """The first square of sample n in a block, and the one behind the last, counted on over all samples."""
    return max(block.first, n * block.own), min(block.last, (n + 1) * block.own)


@inline_jit
def upper_left(image, square):
    """Row and column of a sample's square in an image: squares are counted along the rows."""
    across = image.width // 2
    return 2 * (square // across), 2 * (square % across)


@part_jit
def backward(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, the worker's panels; the squares of all samples are counted on.

    tables : a table of images for each sample;  src, dy : rows of them
    """
    C = image(tables[0], src).channels
    most = squares_at_a_time(C)
    add(worker, tables, src, dy, weights, window, scratch_for(most, C), most, _patches, _slopes, _products)


@part_jit
def add(worker, tables, src, dy, weights, window, place, most, patches, slopes, products):
    """The same of at most so many squares at a time: `patches` makes V, `slopes` dM and `products` dU, as `_patches`,
    `_slopes` and `_products` do here."""
    arena, scratch, first_dy = worker.arena, worker.scratch, image(tables[0], dy)
    C, own = image(tables[0], src).channels, first_dy.height // 2 * (first_dy.width // 2)
    low, high = share(first_dy.channels // LANES, worker.part, worker.parts)
    size, end = C * LANES, own * tables.shape[0] if low < high else 0
    for first in range(0, end, most):
        block = Block(own, first, min(first + most, end))
        patches(arena, tables, src, window.shift, block, scratch, place)
        for j in range(low * LANES, high * LANES, LANES):
            slopes(arena, tables, dy, j, block, scratch, place)
            products(scratch, place, C, block.last - first)
            for i in range(0, size, VECTOR):
                c0 = window.weight + j * TAPS * C + i
                add_weights(scratch, place.du + i, 4 * place.apart_du, place.apart_du, weights, c0, weights, c0,
                            3 * size, size)  # fmt: skip


@jit
def _patches(arena, tables, src, shift, block, scratch, place):
    """V of a block's squares."""
    low, high = samples_of(block)
    for n in range(low, high):
        source, (first, last) = image(tables[n], src), squares_of(block, n)
        C, row = source.channels, pitch(source)
        for square in range(first, last):
            y, x = upper_left(source, square - n * block.own)
            a0, to = source.at + (y + shift) * row + (x + shift) * C, place.v + (square - block.first) * C
            for c in range(0, C, VECTOR):
                to_patch(arena, a0 + c, row, C, arena, 0, scratch, to + c, 4 * place.apart_v, place.apart_v)


@jit
def _slopes(arena, tables, dy, j, block, scratch, place):
    """dM of a block's squares, LANES channels from j on."""
    low, high = samples_of(block)
    for n in range(low, high):
        slope, (first, last) = image(tables[n], dy), squares_of(block, n)
        J, row = slope.channels, pitch(slope)
        for square in range(first, last):
            y, x = upper_left(slope, square - n * block.own)
            a0, to = pixel(slope, y, x) + j, place.m + (square - block.first) * LANES
            for lane in range(0, LANES, VECTOR):
                from_output(arena, a0 + lane, row, J, arena, 0, scratch, to + lane, 4 * place.apart_m, place.apart_m)


@jit
def _products(scratch, place, C, squares):
    """dU of so many squares."""
    for p in range(PATCH):
        for c in range(0, C, ROWS):
            tile(scratch, place.v + p * place.apart_v + c, C, 1, scratch, place.m + p * place.apart_m, LANES,
                 scratch, place.du + p * place.apart_du + c * LANES, LANES, squares)  # fmt: skip
