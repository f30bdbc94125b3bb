"""Convolution with products in bfloat16 on the processor's tile unit (`vector.tile_unit`), by the definition's sums.

y[p, j] = start[j] + sum over the window's pixels and their words of x[p, r, q, w] W[r, q, w, j]

A tile has a strip of 16 pixels at one distance from each other, and two strips go together with a panel of weights.
Where rows fill strips, each row begins with one; else a strip goes on into the next row, over the pixels of the
border between them, which give numbers that nobody takes.  As many strips as the second cache holds go through all
panels before the next.  Several workers share strips, or panels where outputs are more than pixels, so that each
reads weights of its own: see `linear`.  What a number is does not depend on the strip that it stands in.
"""

from typing import NamedTuple

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import NOWHERE, image, pitch, pixel
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, TILES
from numpy_diffusion.kernels.vector.tile import move
from numpy_diffusion.kernels.vector.tile_unit import COLUMNS, PAIRS, PIXELS, configure, release, tiles_product

SCRATCH = 2 * PIXELS * COLUMNS  # numbers that a convolution needs
SECOND_CACHE = 131072  # words of the strips that are to stay there
FEWEST = 8  # strips at a time


class Strips(NamedTuple):
    """How the pixels of an image that a convolution makes are divided."""

    around: int  # positions from a pixel to the one below it; those behind the last of a row are no pixels
    by_rows: bool  # whether each row begins with a strip
    row: int  # strips of a row, where it does
    number: int


class Strip(NamedTuple):
    """PIXELS positions that follow each other, of which some may be no pixels."""

    sample: int
    first: int  # position
    length: int  # positions up to the last pixel; 0: none
    source: int  # where the window of the first one is
    to: int  # where its pixel is, if it is one
    whole: bool  # whether all are pixels that lie one behind the other


@inline_jit
def suits(C):
    """Whether a convolution of C input channels is done here: whole tiles, and the unit."""
    return TILES and C % (2 * PAIRS) == 0


@inline_jit
def _strips(src, dst):
    """Of the image dst; from row to row a window moves `around` times as far as from pixel to pixel."""
    around, row = src.width + 2 * src.border, round_up(dst.width, PIXELS) // PIXELS
    in_one = round_up((dst.height - 1) * around + dst.width, PIXELS) // PIXELS
    by_rows = row * dst.height <= in_one
    number = row * dst.height if by_rows else in_one
    return Strips(around, by_rows, row, number if dst.width * dst.height > 0 else 0)


@inline_jit
def _strip(table, src, dst, window, sample, number):
    """A strip of the sample whose images these are."""
    source, into = image(table, src), image(table, dst)
    strips = _strips(source, into)
    if number >= strips.number:
        return Strip(sample, 0, 0, 0, 0, False)
    if strips.by_rows:
        y, x = number // strips.row, number % strips.row * PIXELS
        length = into.width - x
    else:
        y, x = number * PIXELS // strips.around, number * PIXELS % strips.around
        length = (into.height - 1 - y) * strips.around + into.width - x
    in_a_row = x + PIXELS <= into.width or (strips.around == into.width and into.border == 0)
    origin = source.at + window.shift * (pitch(source) + source.channels)
    at, first = origin + window.stride * (y * pitch(source) + x * source.channels), y * strips.around + x
    return Strip(sample, first, min(PIXELS, length), at, pixel(into, y, x), in_a_row and length >= PIXELS)


@part_jit
def forward(worker, tables, src, dst, words, window, starts, at, residual):
    """dst = conv(src) (+ the image `residual`); the worker's strips or output channels.

    src : an image of words;  words : the rounded weights, panels of COLUMNS lanes;  starts : what the channels of the
    first sample start from, at scratch[starts...], round_up(J, LANES) numbers each;  scratch[at...] is free
    """
    C, J, each = image(tables[0], src).channels, image(tables[0], dst).channels, 0
    for n in range(tables.shape[0]):  # the widest sample: one of fewer states leaves some empty
        each = max(each, _strips(image(tables[n], src), image(tables[n], dst)).number)
    low, high, first, last = 0, each * tables.shape[0], 0, round_up(J, LANES) // LANES
    if high * PIXELS <= J:
        first, last = share(last, worker.part, worker.parts)
    else:
        begin, end = share((high + 1) // 2, worker.part, worker.parts)
        low, high = 2 * begin, min(2 * end, high)
    step = max(FEWEST, SECOND_CACHE // (2 * PIXELS * C) * 2)
    configure()
    for begin in range(low, high, step):
        end = min(begin + step, high)
        for panel in range(first, last):
            _panel(worker, tables, src, dst, words, window, starts, at, residual, each, panel, begin, end)
    release()


@jit
def _panel(worker, tables, src, dst, words, window, starts, at, residual, each, panel, begin, end):
    """COLUMNS output channels of the strips from begin on, of which a sample has `each`: two at a time, and the last
    of an odd number twice, since the unit would else wait for its sums as long."""
    arena, scratch, second = worker.arena, worker.scratch, at + PIXELS * COLUMNS
    C, J, j = image(tables[0], src).channels, image(tables[0], dst).channels, panel * COLUMNS
    apart = round_up(J, LANES)
    b0 = window.weight + j * window.k * window.k * C
    for number in range(begin, end, 2):
        one = _strip(tables[number // each], src, dst, window, number // each, number % each)
        last = min(number + 1, end - 1)
        two = _strip(tables[last // each], src, dst, window, last // each, last % each)
        both = one.length > 0 and two.length > 0 and last > number
        if not both:
            one = one if one.length > 0 else two
            two = one
        if one.length == 0:
            continue
        whole = one.whole and two.whole and J - j >= COLUMNS
        to, c0, c1, ldc = (arena, one.to + j, two.to + j, J) if whole else (scratch, at, second, COLUMNS)
        s0, s1 = starts + one.sample * apart + j, starts + two.sample * apart + j
        below = pitch(image(tables[one.sample], src))
        tiles_product(arena, one.source, two.source, window.stride * C, below, C, words, b0, window.k,
                      scratch, s0, s1, to, c0, c1, ldc)  # fmt: skip
        _leave(worker, tables, src, dst, residual, one, c0, j, whole)
        if both:
            _leave(worker, tables, src, dst, residual, two, c1, j, whole)


@jit
def _leave(worker, tables, src, dst, residual, strip, at, j, whole):
    """What a strip has of COLUMNS output channels from j on, to the image dst unless it is `whole` there already, and
    the residual to that."""
    arena, into, other = worker.arena, image(tables[strip.sample], dst), image(tables[strip.sample], residual)
    if whole and other.at == NOWHERE:
        return
    around, channels = _strips(image(tables[strip.sample], src), into).around, min(COLUMNS, into.channels - j)
    for i in range(strip.length):
        y, x = (strip.first + i) // around, (strip.first + i) % around
        if x >= into.width:
            continue
        to = pixel(into, y, x) + j
        if not whole:
            _move(worker.scratch, at + i * COLUMNS, arena, to, channels, False)
        if other.at != NOWHERE:
            _move(arena, pixel(other, y, x) + j, arena, to, channels, True)


@inline_jit
def _move(a, a0, c, c0, channels, add):
    """c[c0...] = a[a0...], where `add` += it, so many channels."""
    if channels == COLUMNS:
        move(a, a0, c, c0, COLUMNS, add)
    else:
        for n in range(channels):
            c[c0 + n] = c[c0 + n] + a[a0 + n] if add else a[a0 + n]
