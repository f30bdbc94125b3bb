"""Convolution with products in bfloat16: that of `conv.py` with x, W and dy rounded, sums in float32.

What it reads is an image of words: each is a pair of neighbouring channels (`vector.bfloat16`), so that there are
half as many channels and all else is as in float32; `round_image` makes it.  By squares (`bfloat16_squares`) the
image is of numbers, and what is rounded is its patches.  Weights are panels of LANES output channels as in float32,
[panel, window row, window column, pair of input channels, lane], in an array of words of their own.  The gradient by
x is the same convolution, of dy with the turned weights; that by the weights is made of images of numbers.  On a
processor with a tile unit (`bfloat16_tiles`) windows of all sizes go by that, but for the gradient by the weights.
"""

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers import (
    bfloat16_conv_weights,
    bfloat16_squares,
    bfloat16_tiles,
    bfloat16_winograd,
    squares,
)
from numpy_diffusion.kernels.layers.conv import add_rows, begin, clear_borders, forward_scratch
from numpy_diffusion.kernels.layers.images import clear_border, image, pitch, pixel
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile, round_pairs, round_rows, two_rows_of_pairs
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, TILES, WIDEST_LANES, WIDEST_VECTOR

FEWEST = 64  # pixels of an image for which a convolution is the faster by squares
PIXELS = 4 * ROWS  # of an image that stay in the first cache while all weights of a 1 x 1 window go by


def suits(C, J):
    """Whether these numbers of channels, in and out, are worth it: both fill a register, on every machine."""
    return C % WIDEST_VECTOR == 0 and J >= WIDEST_LANES


def by_squares(k, stride, C, dst):
    """Whether a convolution of C channels goes by squares: for an image `dst` of enough pixels, and where no tile
    unit does all products sooner than registers a quarter of them."""
    enough = dst.height * dst.width >= FEWEST
    return squares.suits(k, stride, C, dst) and enough and not bfloat16_tiles.suits(C)


def scratch_size(C, J):
    """Numbers of scratch that a convolution from C to J channels needs."""
    return forward_scratch(J).squares + max(bfloat16_squares.scratch_size(C), bfloat16_tiles.SCRATCH)


def backward_scratch_size(C, J, width):
    """Numbers of scratch that the gradient by its weights needs, with outputs of this width."""
    return max(bfloat16_conv_weights.scratch_for(width, J).end, bfloat16_winograd.scratch_size(C))


@register_jitable
def words_size(C, J, k):
    """Words that the rounded weights take."""
    return round_up(J, LANES) * C // 2 * k * k


@jit
def round_weights(weights, w0, words, at, C, J, k, part, parts):
    """words[at...] = the panels weights[w0...] of a window of k x k pixels, rounded; this part's share."""
    low, high = share(round_up(J, LANES) // LANES * k * k * C // 2, part, parts)
    for i in range(low, high):
        a0 = w0 + 2 * i * LANES
        round_rows(weights, a0, a0 + LANES, words, at + i * LANES, LANES)


@part_jit
def round_image(worker, src, dst):
    """dst, an image of words, from src; the worker's rows."""
    low, high = share(src.height, worker.part, worker.parts)
    for y in range(low, high):
        round_pairs(worker.arena, pixel(src, y, 0), worker.arena, pixel(dst, y, 0), src.width * src.channels)
    if worker.part == 0:
        clear_border(worker.arena, dst)


@part_jit
def forward(worker, tables, src, dst, weights, words, window, vector, residual):
    """dst = conv(src) + bias (+ vector, one number a channel) (+ residual, an image like dst); the worker's rows.

    weights : with the bias;  words : with the window's weights;  the others as in `conv`
    """
    place = forward_scratch(image(tables[0], dst).channels)
    begin(worker, tables, dst, weights, window.bias, vector)
    if window.squares:
        bfloat16_squares.forward(worker, tables, src, dst, words, window, place.start, place.squares, residual)
    elif TILES and bfloat16_tiles.suits(2 * image(tables[0], src).channels):
        bfloat16_tiles.forward(worker, tables, src, dst, words, window, place.start, place.squares, residual)
    else:
        _by_pixels(worker, tables, src, dst, words, window)
        add_rows(worker, tables, dst, residual)
    clear_borders(worker, tables, dst)


@part_jit
def backward_weights(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, in float32; the worker's panels.

    `weights` is the gradient's array, laid out as float32's weights are;  src, dy : rows of images of numbers
    """
    if window.squares:
        bfloat16_winograd.backward(worker, tables, src, dy, weights, window)
    else:
        bfloat16_conv_weights.add(worker, tables, src, dy, weights, window)


@part_jit
def _by_pixels(worker, tables, src, dst, words, window):
    """The convolution by the definition's sums.  Windows of one pixel go by blocks of pixels, each with all panels;
    larger ones, of which there is much more, panel by panel, each with all samples."""
    samples, first = tables.shape[0], image(tables[0], dst)
    panels, apart = round_up(first.channels, LANES) // LANES, round_up(first.channels, LANES)
    low, high = share(first.height, worker.part, worker.parts)
    rows = max(2, PIXELS // max(first.width, 1)) if window.k == 1 else max(high - low, 1)
    blocks = (high - low + rows - 1) // rows
    for i in range(panels * samples * blocks):
        if window.k == 1:
            panel, n, block = i % panels, i // (panels * blocks), i // panels % blocks
        else:
            panel, n, block = i // samples, i % samples, 0
        y, start = low + block * rows, forward_scratch(first.channels).start + n * apart
        source, into = image(tables[n], src), image(tables[n], dst)
        _panel(worker, source, into, words, window, start, panel, y, min(y + rows, high))


@jit
def _panel(worker, src, dst, words, window, start, panel, low, high):
    """LANES output channels of some rows, which begin with scratch[start...]."""
    arena, scratch = worker.arena, worker.scratch
    C, J, row, j = src.channels, dst.channels, pitch(src), panel * LANES
    k, stride, start = window.k, window.stride, start + j
    b0, depth, channels = window.weight + panel * k * k * C * LANES, k * C, min(LANES, J - j)
    origin, half = src.at + window.shift * (row + C), ROWS // 2
    rows, across = (2, half) if dst.width <= half else (1, ROWS)
    for y in range(low, high, rows):
        for x in range(0, dst.width, across):
            a0, c0 = origin + stride * (y * row + x * C), pixel(dst, y, x) + j
            whole = channels == LANES and x + across <= dst.width and y + rows <= high
            to, at, apart, below = (arena, c0, J, pitch(dst)) if whole else (scratch, 0, LANES, across * LANES)
            if rows == 2:
                two_rows_of_pairs(arena, a0, row, 1, stride * C, stride * row, words, b0, depth * LANES, LANES,
                                  scratch, start, to, at, apart, below, k, depth)  # fmt: skip
            else:
                pairs_tile(arena, a0, row, 1, stride * C, words, b0, depth * LANES, LANES,
                           scratch, start, 0, to, at, apart, k, depth)  # fmt: skip
            if not whole:
                _take(arena, c0, J, pitch(dst), scratch, min(rows, high - y), min(across, dst.width - x), across,
                      channels)  # fmt: skip


@inline_jit
def _take(arena, c0, J, below, scratch, rows, pixels, across, channels):
    """What a tile in the scratch has of an image."""
    for r in range(rows):
        for i in range(pixels):
            for n in range(channels):
                arena[c0 + r * below + i * J + n] = scratch[(r * across + i) * LANES + n]
