"""A convolution of 3 x 3 with 16 products where the definition has 36: F(2 x 2, 3 x 3) of Lavin and Gray 2016, eq. 8.

A square of 2 x 2 output pixels sees a patch of 4 x 4 input pixels.  With the matrices A, B, G below,

    U = G w G^T [4, 4],    V = B^T x B [4, 4],    M = sum over input channels of U V,    y = A^T M A [2, 2],

so for each of the 16 places of a patch there is a matrix product, [squares, C] x [C, J], which the tile does.  The
maps are linear, and the way back is each of them transposed:

    dM = A dy A^T,    dU = sum over squares of V dM,    dw += G^T dU G.

The squares of samples that go together are counted on.  Forward, ROWS of them at a time go all the way, so that
their V and M stay in the first cache; U is made once for all samples.  Backward, the sums run over squares, and as
many go together as the second cache holds.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import NOWHERE, image, pitch, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_LANES, WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.runs import runs_tile
from numpy_diffusion.kernels.vector.sandwich import make_sandwich
from numpy_diffusion.kernels.vector.tile import move, prefetch_to_read, prefetch_to_write, tile

A = ((1, 0), (1, 1), (1, -1), (0, -1))
B = ((1, 0, 0, 0), (0, 1, -1, 1), (-1, 1, 1, 0), (0, 0, 0, -1))
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
PATCH, TAPS = 16, 9  # places of a patch, and of a window
CENTRE = 5  # the place, (1, 1), that goes into all four outputs with a factor of 1
SQUARES = 128  # at a time in the gradient, at most
BUDGET = 32768  # squares at a time, times input channels, at most
PAD = 16  # numbers between the places, lest they all fall on the same lines of the first cache


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


to_patch = make_sandwich(VECTOR, _transposed(B))
to_weights = make_sandwich(VECTOR, G)
to_output, add_output = (make_sandwich(VECTOR, _transposed(A), add=add) for add in (False, True))
from_output = make_sandwich(VECTOR, A)
add_weights = make_sandwich(VECTOR, _transposed(G), add=True)


def suits(C, J):
    """Whether these numbers of channels, in and out, fill the widest registers: the same ones on every machine."""
    return C % WIDEST_VECTOR == 0 and J % WIDEST_LANES == 0


class Scratch(NamedTuple):
    """Where the intermediate results of a block of squares are in the scratch."""

    zeros: int  # LANES zeros, from which sums start
    starts: int  # LANES numbers for each of ROWS squares, from which those of the centre start
    v: int  # V: [place, square, input channel]
    apart_v: int  # numbers from a place to the next
    m: int  # M or dM: [place, square, lane]
    apart_m: int
    du: int  # dU: [place, input channel, lane], of the gradient alone
    end: int


@register_jitable
def scratch_from(at, squares, C):
    """The scratch from `at` on, for so many squares at a time and C input channels."""
    apart_v, apart_m = squares * C + PAD, squares * LANES + PAD
    starts = at + LANES
    v = starts + ROWS * LANES
    m = v + PATCH * apart_v
    du = m + PATCH * apart_m
    return Scratch(at, starts, v, apart_v, m, apart_m, du, du + PATCH * C * LANES)


@register_jitable
def squares_at_a_time(C):
    """Squares of a block in the gradient."""
    return max(WIDEST_ROWS, min(SQUARES, BUDGET // C))


def forward_scratch_size(C):
    """Numbers of scratch that a convolution of C input channels needs."""
    return scratch_from(0, ROWS, C).du


def backward_scratch_size(C):
    """Numbers of scratch that the gradient by its weights needs."""
    return scratch_from(0, squares_at_a_time(C), C).end


@inline_jit
def _corner(image, square, row):
    """Where the square's pixel in this row, 0 or 1, starts: squares are counted along the rows."""
    across = image.width // 2
    return pixel(image, 2 * (square // across) + row, 2 * (square % across))


@jit
def transform(weights, w0, u0, C, J, part, parts):
    """weights[u0...] = U of weights[w0...], [panel, place, input channel, lane]; this part's share."""
    size = C * LANES
    for panel in range(J // LANES):
        low, high = share(size // VECTOR, part, parts)
        a0, c0 = w0 + panel * TAPS * size, u0 + panel * PATCH * size
        transform_panel(weights, a0, weights, c0, C, low * VECTOR, high * VECTOR)


@jit
def transform_panel(weights, w0, target, u0, C, low, high):
    """target[u0...] = U of a panel of weights[w0...], for its numbers low..high - 1 of each place."""
    size = C * LANES
    for i in range(low, high, VECTOR):
        to_weights(weights, w0 + i, 3 * size, size, weights, 0, target, u0 + i, 4 * size, size)


class Squares(NamedTuple):
    """The squares that a worker has: so many of each sample, from one of them on, counted on over all samples."""

    own: int  # of a sample
    skipped: int  # of a sample, before its first
    end: int  # of all samples


@inline_jit
def _where(squares, number):
    """The sample of a square, and its number there."""
    return number // squares.own, squares.skipped + number % squares.own


@part_jit
def forward(worker, tables, src, dst, weights, window, starts, at, residual):
    """dst = conv(src) + what each channel starts from (+ the image `residual`); the worker's rows of squares.

    tables : a table of images for each sample;  src, dst, residual : rows of them;  window : a `conv.Window`, its
    `squares` where `transform` put U;  starts : the first sample's start from the scratch's `starts` on, round_up(J,
    LANES) numbers a sample;  scratch[at...] is free
    """
    scratch, into = worker.scratch, image(tables[0], dst)
    C, J, across = image(tables[0], src).channels, into.channels, into.width // 2
    place, u0 = scratch_from(at, ROWS, C), window.squares
    low, high = share(into.height // 2, worker.part, worker.parts)
    all_squares = Squares((high - low) * across, low * across, (high - low) * across * tables.shape[0])
    scratch[place.zeros : place.zeros + LANES] = 0
    prefetch_to_read(weights, u0, LANES * C)
    for first in range(0, all_squares.end, ROWS):
        count = min(ROWS, all_squares.end - first)
        for i in range(count):
            n, square = _where(all_squares, first + i)
            for k in range(2):
                prefetch_to_write(worker.arena, _corner(image(tables[n], dst), square, k), 2 * J)
            _patches(worker.arena, image(tables[n], src), window.shift, square, 1, scratch, place, i)
        for j in range(0, J, LANES):
            for i in range(count):
                s = starts + (first + i) // all_squares.own * J + j
                move(scratch, s, scratch, place.starts + i * LANES, LANES, False)
            for p in range(PATCH):
                s, lds = (place.starts, LANES) if p == CENTRE else (place.zeros, 0)
                if first == 0:
                    prefetch_to_read(weights, u0 + (j * PATCH + (p + 1) * LANES) * C, LANES * C)
                runs_tile(scratch, place.v + p * place.apart_v, 0, 1, C,
                          weights, u0 + (j * PATCH + p * LANES) * C, 0, LANES, scratch, s, lds,
                          scratch, place.m + p * place.apart_m, LANES, 1, C)  # fmt: skip
            for i in range(count):
                n, square = _where(all_squares, first + i)
                into, other = image(tables[n], dst), image(tables[n], residual)
                _outputs(worker.arena, into, square, j, scratch, place, i, other)


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


@jit
def _patches(arena, src, shift, first, squares, scratch, place, at):
    """V of some squares, from the block's square `at` on."""
    C, row, across = src.channels, pitch(src), src.width // 2
    for i in range(squares):
        y, x = (first + i) // across, (first + i) % across
        a0 = src.at + shift * (row + C) + 2 * (y * row + x * C)
        for c in range(0, C, VECTOR):
            to = place.v + (at + i) * C + c
            to_patch(arena, a0 + c, row, C, arena, 0, scratch, to, 4 * place.apart_v, place.apart_v)


@jit
def _slopes(arena, dy, first, squares, j, scratch, place, at):
    """dM of some squares, LANES channels from j on, from the block's square `at` on."""
    J, row = dy.channels, pitch(dy)
    for i in range(squares):
        corner = _corner(dy, first + i, 0) + j
        for lane in range(0, LANES, VECTOR):
            c0 = place.m + (at + i) * LANES + lane
            from_output(arena, corner + lane, row, J, arena, 0, scratch, c0, 4 * place.apart_m, place.apart_m)


@part_jit
def backward(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, the worker's panels; the squares of all samples are counted on.

    tables : a table of images for each sample;  src, dy : rows of them
    """
    arena, scratch, first_dy = worker.arena, worker.scratch, image(tables[0], dy)
    C, J = image(tables[0], src).channels, first_dy.channels
    n, size, own = squares_at_a_time(C), C * LANES, first_dy.height // 2 * (first_dy.width // 2)
    place, end = scratch_from(0, n, C), own * tables.shape[0]
    low_panel, high_panel = share(J // LANES, worker.part, worker.parts)
    for first in range(0, end, n):
        last = min(first + n, end)
        for sample in range(first // own, (last + own - 1) // own):
            low, high = max(first, sample * own), min(last, (sample + 1) * own)
            source = image(tables[sample], src)
            _patches(arena, source, window.shift, low - sample * own, high - low, scratch, place, low - first)
        for j in range(low_panel * LANES, high_panel * LANES, LANES):
            for sample in range(first // own, (last + own - 1) // own):
                low, high = max(first, sample * own), min(last, (sample + 1) * own)
                slope = image(tables[sample], dy)
                _slopes(arena, slope, low - sample * own, high - low, j, scratch, place, low - first)
            for p in range(PATCH):
                for c in range(0, C, ROWS):
                    tile(scratch, place.v + p * place.apart_v + c, C, 1,
                         scratch, place.m + p * place.apart_m, LANES,
                         scratch, place.du + p * size + c * LANES, LANES, last - first)  # fmt: skip
            for i in range(0, size, VECTOR):
                c0 = window.weight + j * TAPS * C + i
                add_weights(scratch, place.du + i, 4 * size, size, weights, c0, weights, c0, 3 * size, size)
