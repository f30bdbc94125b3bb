"""The gradient by a convolution's weights, by the definition's sums on the SIMD tile.

dW[tap, c, j] += sum over the pixels p of all samples of x[p at the tap, c] dy[p, j]

The sums run over pixels, which lie as far apart as an image has channels: from there a tile would fetch a line of
the cache for each number or two, and lines so far apart push each other out.  So both factors are gathered first, of
DEPTH pixels from as many samples as that takes: dy by panels, x by a few channels under one tap.  Each tile then
reads two short stretches of memory, and takes its sums from the gradient once for all these pixels; what the next
one needs is fetched meanwhile.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import image, pitch, pixel
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR, WIDEST_LANES, WIDEST_ROWS, WIDEST_VECTOR
from numpy_diffusion.kernels.vector.runs import narrow_runs_tile, runs_tile
from numpy_diffusion.kernels.vector.tile import move, prefetch_to_read, prefetch_to_write

# Pixels of a sample, whole rows, or one row if that has more: where channels do not fill a tile, each segment's sum
# is made apart and then added.
SEGMENT = 64
DEPTH = 128  # pixels at a time, in whole segments
BUDGET = 65536  # numbers of dy at a time, that stay in the second cache
CHANNELS = 2 * ROWS  # of x at a time


class Scratch(NamedTuple):
    """Where the gathered numbers are in the scratch; a tile comes first."""

    values: int  # of x [pixel, channel]
    slopes: int  # of dy [panel, pixel, lane]
    pixels: int  # at a time
    panels: int  # at a time
    end: int


@register_jitable
def scratch_for(width, J):
    """The scratch of a gradient by the weights of J output channels, of images of this width."""
    pixels, panels = max(DEPTH, width), round_up(J, LANES) // LANES
    panels = min(panels, max(1, BUDGET // (pixels * LANES)))
    values = CHANNELS * LANES
    slopes = values + pixels * CHANNELS
    return Scratch(values, slopes, pixels, panels, slopes + panels * pixels * LANES)


class Block(NamedTuple):
    """What is worked on at a time: segments begin..end - 1 of all samples' and panels low..high - 1."""

    begin: int
    end: int
    chunks: int  # segments of a sample
    rows: int  # of a segment
    low: int
    high: int


@part_jit
def add(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, pixel by pixel in the order of the samples; the worker's panels.

    tables : a table of images for each sample;  src, dy : rows of them;  window : a `conv.Window`
    """
    samples, first, widest = tables.shape[0], image(tables[0], dy), 1
    for n in range(samples):
        widest = max(widest, image(tables[n], dy).width)
    place, panels = scratch_for(widest, first.channels), round_up(first.channels, LANES) // LANES
    own, behind = share(panels, worker.part, worker.parts)
    rows = max(1, SEGMENT // widest)
    chunks = (first.height + rows - 1) // rows
    segments, together = samples * chunks, max(1, place.pixels // (rows * widest))
    for begin in range(0, segments, together):
        for low in range(own, behind, place.panels):
            end, high = min(begin + together, segments), min(low + place.panels, behind)
            _add_block(worker, tables, src, dy, weights, window, place, Block(begin, end, chunks, rows, low, high))


@inline_jit
def _segment(number, block, height):
    """Of which sample a segment is, its first row and how many it has."""
    y = number % block.chunks * block.rows
    return number // block.chunks, y, min(block.rows, height - y)


@part_jit
def _add_block(worker, tables, src, dy, weights, window, place, block):
    """What a block adds to the gradient."""
    arena, scratch, stride, taps = worker.arena, worker.scratch, window.stride, window.k * window.k
    C, height, depth = image(tables[0], src).channels, image(tables[0], dy).height, 0
    for number in range(block.begin, block.end):
        n, y, rows = _segment(number, block, height)
        slope = image(tables[n], dy)
        for panel in range(block.low, block.high):
            at, to = pixel(slope, y, 0) + panel * LANES, (panel - block.low) * place.pixels + depth
            down = pitch(slope)
            _gather(arena, at, down, slope.channels, rows, slope.width, scratch, place.slopes + to * LANES, LANES)
        depth += rows * slope.width
    for i in range((C + CHANNELS - 1) // CHANNELS * taps):
        c, tap, to = i // taps * CHANNELS, i % taps, place.values
        for number in range(block.begin, block.end):
            n, y, rows = _segment(number, block, height)
            source, width = image(tables[n], src), image(tables[n], dy).width
            row = pitch(source)
            at = source.at + (stride * y + window.shift + tap // window.k) * row
            at += (window.shift + tap % window.k) * C + c
            _gather(arena, at, stride * row, stride * C, rows, width, scratch, to, CHANNELS)
            if tap == taps - 1 and c + CHANNELS < C:
                _prefetch(arena, at + CHANNELS, stride * row, stride * C, rows, width)
            to += rows * width * CHANNELS
        then = ((block.low * taps + (i + 1) % taps) * C + (i + 1) // taps * CHANNELS) * LANES
        _tiles(worker, tables, dy, weights, window, place, block, c, tap, C, depth, window.weight + then)


@jit
def _gather(arena, at, down, right, rows, width, scratch, to, numbers):
    """scratch[to...] = so many numbers of each pixel, from arena[at + y * down + x * right] on."""
    for y in range(rows):
        for x in range(width):
            move(arena, at + y * down + x * right, scratch, to + (y * width + x) * numbers, numbers, False)


@jit
def _prefetch(arena, at, down, right, rows, width):
    """What will be gathered next is fetched while the tiles run."""
    for y in range(rows):
        for x in range(width):
            prefetch_to_read(arena, at + y * down + x * right, 1)


@part_jit
def _tiles(worker, tables, dy, weights, window, place, block, c, tap, C, depth, then):
    """What the gathered channels of x, from c on and under one tap, add; `then`: where the next ones' sums start."""
    scratch, taps, J = worker.scratch, window.k * window.k, image(tables[0], dy).channels
    for panel in range(block.low, block.high):
        narrow, b0 = J - panel * LANES <= VECTOR, place.slopes + (panel - block.low) * place.pixels * LANES
        height, whole = CHANNELS if narrow else ROWS, _in_tiles(C, J, panel)
        for first in range(0, min(CHANNELS, C - c), height):
            c0, a0 = window.weight + ((panel * taps + tap) * C + c + first) * LANES, place.values + first
            if c + first >= whole:
                done = 0
                for number in range(block.begin, block.end):
                    n, _, rows = _segment(number, block, image(tables[0], dy).height)
                    pixels = rows * image(tables[n], dy).width
                    _some(scratch, a0 + done * CHANNELS, b0 + done * LANES, pixels, weights, c0,
                          min(height, C - c - first))  # fmt: skip
                    done += pixels
            elif narrow:
                narrow_runs_tile(scratch, a0, 0, CHANNELS, 1, scratch, b0, 0, LANES,
                                 weights, c0, LANES, weights, c0, LANES, 1, depth)  # fmt: skip
            else:
                soon = c0 + taps * C * LANES if panel + 1 < block.high else then + first * LANES
                prefetch_to_write(weights, soon, ROWS * LANES)
                runs_tile(scratch, a0, 0, CHANNELS, 1, scratch, b0, 0, LANES,
                          weights, c0, LANES, weights, c0, LANES, 1, depth)  # fmt: skip


@inline_jit
def _in_tiles(C, J, panel):
    """How many of C channels fill tiles of the widest registers, for a panel's output channels.

    What lies behind the last one is another tap's.  The others' sums are made apart, and their bits are others: so
    it must be the same ones on every machine.
    """
    narrow = J - panel * LANES // WIDEST_LANES * WIDEST_LANES <= WIDEST_VECTOR
    return C // (2 * WIDEST_ROWS) * (2 * WIDEST_ROWS) if narrow else C // WIDEST_ROWS * WIDEST_ROWS


@jit
def _some(scratch, a0, b0, pixels, weights, c0, channels):
    """What so many gathered pixels add to the gradient of fewer channels than a tile has."""
    for first in range(0, channels, ROWS):
        scratch[: ROWS * LANES] = 0
        runs_tile(scratch, a0 + first, 0, CHANNELS, 1, scratch, b0, 0, LANES,
                  scratch, 0, LANES, scratch, 0, LANES, 1, pixels)  # fmt: skip
        for i in range(min(ROWS, channels - first) * LANES):
            weights[c0 + first * LANES + i] += scratch[i]
