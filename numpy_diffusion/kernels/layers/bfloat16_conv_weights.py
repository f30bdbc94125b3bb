"""The gradient by a convolution's weights with products in bfloat16, by the definition's sums: `conv_weights.py`'s.

dW[tap, c, j] += sum over the pixels p of all samples of x[p at the tap, c] dy[p, j],    x and dy rounded.

The sums run over pixels, so that pairs are of neighbouring ones of a row; beside the last of an odd row stand zeros.
Both factors are gathered as words, of some rows from as many samples as that takes, as they are in float32 there.
"""

from typing import NamedTuple

from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.conv_weights import BUDGET, CHANNELS, DEPTH
from numpy_diffusion.kernels.layers.images import image, pitch, pixel
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.bfloat16 import pairs_tile, round_rows
from numpy_diffusion.kernels.vector.registers import LANES, ROWS
from numpy_diffusion.kernels.vector.tile import move, prefetch_to_write


class Scratch(NamedTuple):
    """Where the gathered words are in the scratch."""

    last: int  # a row's last pixel, and zeros behind it
    values: int  # of x [pair of pixels, channel]
    slopes: int  # of dy [panel, pair of pixels, lane]
    pairs: int  # at a time
    panels: int  # at a time
    end: int


@register_jitable
def scratch_for(width, J):
    """The scratch of a gradient by the weights of J output channels, of images of this width."""
    pairs, panels = max(DEPTH, (width + 1) // 2), round_up(J, LANES) // LANES
    panels = min(panels, max(1, BUDGET // (pairs * LANES)))
    values = 2 * LANES
    slopes = values + pairs * CHANNELS
    return Scratch(0, values, slopes, pairs, panels, slopes + panels * pairs * LANES)


class Block(NamedTuple):
    """What is worked on at a time: rows begin..end - 1 of all samples' and panels low..high - 1."""

    begin: int
    end: int
    low: int
    high: int


@part_jit
def add(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, pair by pair in the order of the samples; the worker's panels.

    tables : a table of images for each sample;  src, dy : rows of them, images of numbers;  window : a `conv.Window`
    """
    samples, first, widest = tables.shape[0], image(tables[0], dy), 1
    for n in range(samples):
        widest = max(widest, image(tables[n], dy).width)
    place, panels = scratch_for(widest, first.channels), round_up(first.channels, LANES) // LANES
    own, behind = share(panels, worker.part, worker.parts)
    rows, together = samples * first.height, place.pairs // ((widest + 1) // 2)
    worker.scratch[place.last : place.last + 2 * LANES] = 0
    for begin in range(0, rows, together):
        for low in range(own, behind, place.panels):
            block = Block(begin, min(begin + together, rows), low, min(low + place.panels, behind))
            _add_block(worker, tables, src, dy, weights, window, place, block)


@part_jit
def _add_block(worker, tables, src, dy, weights, window, place, block):
    """What a block adds to the gradient."""
    scratch, C, taps = worker.scratch, image(tables[0], src).channels, window.k * window.k
    for panel in range(block.low, block.high):
        to = place.slopes + (panel - block.low) * place.pairs * LANES
        depth = _slopes(worker, tables, dy, place, block, panel * LANES, to)
    for i in range(C // CHANNELS * taps):
        c, tap = i // taps * CHANNELS, i % taps
        _values(worker, tables, src, dy, window, place, block, tap, c)
        for panel in range(block.low, block.high):
            b0 = place.slopes + (panel - block.low) * place.pairs * LANES
            c0 = window.weight + ((panel * taps + tap) * C + c) * LANES
            if panel + 1 < block.high:
                prefetch_to_write(weights, c0 + taps * C * LANES, CHANNELS * LANES)
            for r in range(0, CHANNELS, ROWS):
                pairs_tile(scratch, place.values + r, 0, CHANNELS, 1, scratch, b0, 0, LANES,
                           weights, c0 + r * LANES, LANES, weights, c0 + r * LANES, LANES, 1, depth)  # fmt: skip


@jit
def _slopes(worker, tables, dy, place, block, j, to):
    """The words of dy's channels from j on, at scratch[to...]; how many pairs there are."""
    begun = to
    for number in range(block.begin, block.end):
        slope = image(tables[number // image(tables[0], dy).height], dy)
        at = pixel(slope, number % slope.height, 0) + j
        to = _gather(worker.arena, at, slope.channels, slope.width, worker.scratch, place.last, to, LANES)
    return (to - begun) // LANES


@jit
def _values(worker, tables, src, dy, window, place, block, tap, c):
    """The words of CHANNELS of x from c on, of the pixels that the tap sees."""
    to = place.values
    for number in range(block.begin, block.end):
        n, y = number // image(tables[0], dy).height, number % image(tables[0], dy).height
        source, width = image(tables[n], src), image(tables[n], dy).width
        C, down = source.channels, window.stride * y + window.shift + tap // window.k
        at = source.at + down * pitch(source) + (window.shift + tap % window.k) * C + c
        to = _gather(worker.arena, at, window.stride * C, width, worker.scratch, place.last, to, CHANNELS)


@inline_jit
def _gather(arena, at, right, width, scratch, last, to, numbers):
    """scratch[to...] = so many numbers of each pixel of a row, in words of two neighbours; where the next go."""
    for x in range(0, width - 1, 2):
        round_rows(arena, at + x * right, at + (x + 1) * right, scratch, to, numbers)
        to += numbers
    if width % 2:
        move(arena, at + (width - 1) * right, scratch, last, numbers, False)
        round_rows(scratch, last, last + LANES, scratch, to, numbers)
        to += numbers
    return to
