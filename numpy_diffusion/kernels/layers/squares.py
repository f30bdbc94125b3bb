"""A convolution of 3 x 3 with 36 products where the definition has 144: F(4 x 4, 3 x 3) of Lavin and Gray 2016.

A square of 4 x 4 output pixels sees a patch of 6 x 6 input pixels.  With the matrices A, B, G below,

    U = G w G^T [6, 6],    V = B^T x B [6, 6],    M = sum over input channels of U V,    y = A^T M A [4, 4],

so for each of the 36 places of a patch there is a matrix product, [squares, C] x [C, J], which the tile does.

The matrices are those of polynomials that are known at 0, -a, a, -b, b and infinity.  Lavin and Gray take 1 and 2,
whose rounding errors are five times the definition's; a = 1 / sqrt(2) and b = sqrt(2) keep all powers near 1, and the
errors at less than twice the definition's (points like these: Barabasz et al. 2020, section 5).

As many squares as the caches hold go together, of all samples, and all of them meet the weights a panel and some
input channels at a time.  U of these is made there and then: it is four times as large as the weights, and to fetch
that from memory takes longer than to make it.

Where the products are in bfloat16 (`bfloat16_squares.py`) V and U are rounded, and weights are: these then have words
of two input channels, and all else is as here.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import NOWHERE, image, pitch, pixel
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_LANES, WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.runs import low_runs_tile, runs_tile
from numpy_diffusion.kernels.vector.sandwich import make_sandwich
from numpy_diffusion.kernels.vector.tile import move, prefetch_to_read

SIDE, WIDTH = 4, 6  # pixels of a square, and of the patch that it sees
PATCH, TAPS = 36, 9  # places of a patch, and of a window
a, b = 0.5**0.5, 2.0**0.5

# each matrix as a product: sums and differences of pairs are made once
PAIRS = ((1, 0, 0, 0, 0, 0), (0, 1, a, 0, 0, 0), (0, 1, -a, 0, 0, 0), (0, 0, 0, 1, b, 0), (0, 0, 0, 1, -b, 0),
         (0, 0, 0, 0, 0, 1))  # fmt: skip
B_TRANSPOSED = (
    PAIRS,
    (
        (1, 0, -2.5, 0, 1, 0),
        (0, 0, -2, 0, 1, 0),
        (0, -2, 0, 1, 0, 0),
        (0, 0, -0.5, 0, 1, 0),
        (0, -0.5, 0, 1, 0, 0),
        (0, 1, 0, -2.5, 0, 1),
    ),
)
G = PAIRS, ((1, 0, 0), (1, 0, 0.5), (0, 1, 0), (1, 0, 2), (0, 1, 0), (0, 0, 1))
A_TRANSPOSED = (  # with the denominators of Lagrange's polynomials, -3/2 at -a and a, 6 at -b and b
    (1, -2 / 3, 0, 1 / 6, 0, 0),
    (0, 0, -2 / 3 * a, 0, 1 / 6 * b, 0),
    (0, -1 / 3, 0, 1 / 3, 0, 0),
    (0, 0, -1 / 3 * a, 0, 1 / 3 * b, 1),
), (
    (1, 0, 0, 0, 0, 0),
    (0, 1, 1, 0, 0, 0),
    (0, 1, -1, 0, 0, 0),
    (0, 0, 0, 1, 1, 0),
    (0, 0, 0, 1, -1, 0),
    (0, 0, 0, 0, 0, 1),
)  # fmt: skip
to_patch, to_weights = make_sandwich(VECTOR, *B_TRANSPOSED), make_sandwich(VECTOR, *G)
to_output = make_sandwich(VECTOR, *A_TRANSPOSED, add=True, one=True)

SQUARES = 64  # at a time, at most
BUDGET = 81920  # squares at a time, times input channels, at most
DEPTH = 32  # input channels whose U is made at a time; of words of two, 64
# cycles for 16 input channels: of a square with a panel, of a panel, of a square (measured with 512-bit registers)
PRODUCTS, MAKING_U, MAKING_V = 576, 3500, 90
PAD = 16  # numbers between the places, lest they all fall on the same lines of the first cache


class Grid(NamedTuple):
    """How an image is cut into squares; those at its lower and right edge may reach beyond it."""

    down: int
    across: int


@inline_jit
def grid(image):
    """The grid of an image."""
    return Grid((image.height + SIDE - 1) // SIDE, (image.width + SIDE - 1) // SIDE)


@inline_jit
def suits(k, stride, C, dst):
    """Whether a convolution goes by squares: its channels fill the widest registers, so that it is the same one on
    every machine, and the squares take fewer products than the definition, also at the image's edges."""
    cut = grid(dst)
    products, by_definition = PATCH * cut.down * cut.across, TAPS * dst.height * dst.width
    filled = C % WIDEST_VECTOR == 0 and dst.channels % WIDEST_LANES == 0
    return k == 3 and stride == 1 and filled and 3 * products <= 2 * by_definition


class Scratch(NamedTuple):
    """Where the intermediate results of a block of squares are in the scratch."""

    zeros: int  # LANES zeros, from which sums start
    edge: int  # a patch or a square at an edge, where all of it can be read or written
    v: int  # V: [place, DEPTH input channels, square, input channel]; of pairs of them where these are words
    apart_v: int  # numbers from a place to the next
    m: int  # M: [place, square, lane]
    apart_m: int
    u: int  # U: [place, input channel, lane]
    apart_u: int
    end: int


@register_jitable
def scratch_from(at, squares, C, numbers):
    """The scratch from `at` on, for so many squares at a time, a multiple of ROWS, and C input channels, of which
    V and U have so many a word."""
    apart_v, apart_m, apart_u = squares * C // numbers + PAD, squares * LANES + PAD, DEPTH * LANES + PAD
    edge = at + LANES
    v = edge + max(PATCH * C, SIDE * SIDE * LANES)
    m = v + PATCH * apart_v
    u = m + PATCH * apart_m
    return Scratch(at, edge, v, apart_v, m, apart_m, u, apart_u, u + PATCH * apart_u)


@register_jitable
def squares_at_a_time(C, numbers):
    """Squares of a block, at most."""
    return max(WIDEST_ROWS, min(SQUARES, numbers * BUDGET // C // WIDEST_ROWS * WIDEST_ROWS))


def scratch_size(C, numbers=1):
    """Numbers of scratch that a convolution of C input channels needs."""
    return scratch_from(0, squares_at_a_time(C, numbers), C, numbers).end


@part_jit
def forward(worker, tables, src, dst, weights, window, starts, at, residual):
    """dst = conv(src) + what each channel starts from (+ the image `residual`); the worker's share.

    tables : a table of images for each sample;  src, dst, residual : rows of them;  window : a `conv.Window`;
    starts : the first sample's start from the scratch's `starts` on, J numbers a sample;  scratch[at...] is free
    """
    convolve(worker, tables, src, dst, weights, window, starts, at, residual, 1, _patch, _products)


@part_jit
def convolve(worker, tables, src, dst, weights, window, starts, at, residual, numbers, patch, products):
    """The same for V and U of words of so many numbers: `patch` makes V, `products` U and M, as `_patch` and
    `_products` do here."""
    arena, scratch, into = worker.arena, worker.scratch, image(tables[0], dst)
    C, J, cut = image(tables[0], src).channels, into.channels, grid(into)
    own, words = cut.down * cut.across, C // numbers
    groups = _groups(J // LANES, own * tables.shape[0], worker.parts, numbers)
    low_panel, high_panel = share(J // LANES, worker.part // groups, worker.parts // groups)
    low, high = share(own * tables.shape[0], worker.part % groups, groups)
    blocks = max(1, -((low - high) // squares_at_a_time(C, numbers)))
    rows = round_up(-((low - high) // blocks), ROWS)
    place = scratch_from(at, rows, C, numbers)
    scratch[place.zeros : place.zeros + LANES] = 0
    for first in range(low, high, rows):
        count = min(rows, high - first)
        for i in range(count):
            n, square = (first + i) // own, (first + i) % own
            y, x = SIDE * (square // cut.across), SIDE * (square % cut.across)
            patch(arena, image(tables[n], src), window.shift, y, x, scratch, place, rows, i)
        for panel in range(low_panel, high_panel):
            products(weights, window.weight + panel * TAPS * words * LANES, words, scratch, place, rows, count)
            for i in range(count):
                n, square = (first + i) // own, (first + i) % own
                y, x = SIDE * (square // cut.across), SIDE * (square % cut.across)
                start = starts + n * J + panel * LANES
                into, other = image(tables[n], dst), image(tables[n], residual)
                _outputs(arena, into, y, x, panel * LANES, start, scratch, place, i, other)


@inline_jit
def _groups(panels, squares, workers, numbers):
    """Into how many groups the squares go, for as many workers each, who share the panels: what costs least.

    V is made by each of those that share a group, U by one of each group.
    """
    best, least = 1, np.inf
    for groups in range(1, workers + 1):
        if workers % groups == 0:
            own = round_up(-(-squares // groups), WIDEST_ROWS // 2)
            cost = -(-panels // (workers // groups)) * (PRODUCTS // numbers * own + MAKING_U) + MAKING_V * own
            if cost < least:
                best, least = groups, cost
    return best


@jit
def _patch(arena, src, shift, y, x, scratch, place, rows, at):
    """V of the square at output pixel y, x, as the block's square `at`."""
    patch_in_words(arena, src, shift, y, x, scratch, place, rows, at, 1, to_patch)


@part_jit
def patch_in_words(arena, src, shift, y, x, scratch, place, rows, at, numbers, to_patch):
    """The same for words of so many numbers, which the sandwich `to_patch` makes."""
    C, row = src.channels, pitch(src)
    a0 = src.at + (y + shift) * row + (x + shift) * C
    down = min(WIDTH, src.height + 2 * src.border - y - shift)
    across = min(WIDTH, src.width + 2 * src.border - x - shift)
    inside = down == WIDTH and across == WIDTH
    if not inside:
        scratch[place.edge : place.edge + PATCH * C] = 0
        for i in range(down):
            move(arena, a0 + i * row, scratch, place.edge + i * WIDTH * C, across * C, False)
    for c in range(0, C, VECTOR):
        word, words = c // numbers, C // numbers
        first = word // DEPTH * DEPTH
        to = place.v + first * rows + at * min(DEPTH, words - first) + word - first
        if inside:
            to_patch(arena, a0 + c, row, C, arena, 0, scratch, to, WIDTH * place.apart_v, place.apart_v)
        else:
            to_patch(scratch, place.edge + c, WIDTH * C, C, arena, 0,
                     scratch, to, WIDTH * place.apart_v, place.apart_v)  # fmt: skip


@jit
def _products(weights, w0, C, scratch, place, rows, count):
    """M of a block's squares for the panel whose weights start at w0."""
    products_of_words(weights, w0, C, scratch, place, rows, count, to_weights, runs_tile, low_runs_tile)


@part_jit
def products_of_words(weights, w0, C, scratch, place, rows, count, to_weights, tile, low_tile):
    """The same for C words, of which the sandwich `to_weights` makes those of U, and the tiles the products."""
    size = C * LANES
    for c in range(0, C, DEPTH):
        depth = min(DEPTH, C - c)
        for i in range(0, depth * LANES, VECTOR):
            to_weights(weights, w0 + c * LANES + i, 3 * size, size, weights, 0,
                       scratch, place.u + i, WIDTH * place.apart_u, place.apart_u)  # fmt: skip
        further = w0 + (c + DEPTH) * LANES if c + DEPTH < C else w0 + TAPS * size
        quarter = DEPTH * LANES // 4  # of what a tap has; PATCH are four times TAPS
        for p in range(PATCH):
            prefetch_to_read(weights, further + p // 4 * size + p % 4 * quarter, quarter)
            m0 = place.m + p * place.apart_m
            for s in range(0, count, ROWS):
                a0, c0 = place.v + p * place.apart_v + c * rows + s * depth, m0 + s * LANES
                s0, lds, u0 = c0 if c else place.zeros, LANES if c else 0, place.u + p * place.apart_u
                if count - s > ROWS // 2:
                    tile(scratch, a0, 0, 1, depth, scratch, u0, 0, LANES,
                         scratch, s0, lds, scratch, c0, LANES, 1, depth)  # fmt: skip
                else:
                    low_tile(scratch, a0, 0, 1, depth, scratch, u0, 0, LANES,
                             scratch, s0, lds, scratch, c0, LANES, 1, depth)  # fmt: skip


@jit
def _outputs(arena, dst, y, x, j, start, scratch, place, at, residual):
    """LANES output channels from j on of the square at pixel y, x, from M of the block's square `at`."""
    J, row, corner = dst.channels, pitch(dst), pixel(dst, y, x) + j
    down, across = min(SIDE, dst.height - y), min(SIDE, dst.width - x)
    inside = down == SIDE and across == SIDE
    for lane in range(0, LANES, VECTOR):
        a0, s0 = place.m + at * LANES + lane, start + lane
        if inside:
            to_output(scratch, a0, WIDTH * place.apart_m, place.apart_m, scratch, s0, arena, corner + lane, row, J)
        else:
            to_output(scratch, a0, WIDTH * place.apart_m, place.apart_m, scratch, s0,
                      scratch, place.edge + lane, SIDE * LANES, LANES)  # fmt: skip
    if not inside:
        for k in range(down):
            for i in range(across):
                move(scratch, place.edge + (k * SIDE + i) * LANES, arena, corner + k * row + i * J, LANES, False)
    if residual.at != NOWHERE:
        for k in range(down):
            for i in range(across):
                to = corner + k * row + i * J
                move(arena, residual.at + to - dst.at, arena, to, LANES, True)
