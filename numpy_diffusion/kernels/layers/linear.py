"""A convolution of 1 x 1 pixels, or a linear layer of each pixel: one matrix product, blocked for the caches.

y[p, j] = start[j] + sum over c of x[p, c] W[c, j]

As many pixels as the second cache holds go through all panels of weights before the next: so weights are read once
for so many of them, and where the samples are small, once for all samples.  Several workers share the panels where
outputs are more than pixels, so that each reads weights of its own, and the pixels where they are not.
"""

from typing import NamedTuple

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers.images import NOWHERE, image, pixel
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.runs import runs_tile
from numpy_diffusion.kernels.vector.tile import move

SECOND_CACHE = 131072  # numbers of the pixels that are to stay there
FEWEST, MOST = 64, 512  # pixels at a time


class Tiles(NamedTuple):
    """How the pixels are divided into tiles of ROWS, by the widest sample: one of fewer states leaves some empty."""

    flat: bool  # whether no image has a border: all pixels then lie in a row, one behind the other
    row: int  # tiles of a row
    sample: int  # of a sample
    all: int


@inline_jit
def suits(window, src, dst):
    """Whether a convolution is done here: neighbours fill the tiles, and output channels their lanes."""
    alike = window.k == 1 and window.stride == 1 and dst.channels > VECTOR
    return alike and (src.border == dst.border == 0 or dst.width >= ROWS)


@inline_jit
def _across(image, flat):
    """Pixels that lie in a row."""
    return image.height * image.width if flat else image.width


@inline_jit
def _tiles(tables, src, dst, residual):
    """Of the images in these rows of the tables."""
    into, across = image(tables[0], dst), 0
    flat = image(tables[0], src).border == into.border == image(tables[0], residual).border == 0
    for n in range(tables.shape[0]):
        across = max(across, _across(image(tables[n], dst), flat))
    row = round_up(across, ROWS) // ROWS
    sample = row if flat else row * into.height
    return Tiles(flat, row, sample, sample * tables.shape[0])


@inline_jit
def pixels_at_a_time(C):
    """Of C channels, a multiple of ROWS."""
    return max(FEWEST, min(MOST, SECOND_CACHE // C // ROWS * ROWS))


@part_jit
def forward(worker, tables, src, dst, weights, window, starts, residual):
    """dst = the product (+ the image `residual`); the worker's pixels or output channels.

    starts : what the channels of the first sample start from, at scratch[starts...], round_up(J, LANES) numbers each;
    all else as `conv.forward` has it
    """
    C, J, tiles = image(tables[0], src).channels, image(tables[0], dst).channels, _tiles(tables, src, dst, residual)
    panels = round_up(J, LANES) // LANES
    low, high, first, last = 0, tiles.all, 0, panels
    if tiles.all * ROWS <= J:
        first, last = share(panels, worker.part, worker.parts)
    else:
        low, high = share(tiles.all, worker.part, worker.parts)
    step = pixels_at_a_time(C) // ROWS
    for begin in range(low, high, step):
        end = min(begin + step, high)
        for panel in range(first, last):
            _panel(worker, tables, src, dst, weights, window, starts, residual, tiles, panel, begin, end)


@jit
def _panel(worker, tables, src, dst, weights, window, starts, residual, tiles, panel, begin, end):
    """LANES output channels of some tiles."""
    arena, scratch = worker.arena, worker.scratch
    C, J, j = image(tables[0], src).channels, image(tables[0], dst).channels, panel * LANES
    channels, b0 = min(LANES, J - j), window.weight + j * C
    for n in range(begin // tiles.sample, (end + tiles.sample - 1) // tiles.sample):
        source, into, other = image(tables[n], src), image(tables[n], dst), image(tables[n], residual)
        start = starts + n * round_up(J, LANES) + j
        for tile in range(max(begin - n * tiles.sample, 0), min(end - n * tiles.sample, tiles.sample)):
            y, x = tile // tiles.row, tile % tiles.row * ROWS
            c0, pixels = pixel(into, y, x) + j, min(ROWS, _across(into, tiles.flat) - x)
            if pixels <= 0:
                continue
            whole = pixels == ROWS and channels == LANES
            to, at, apart = (arena, c0, J) if whole else (scratch, 0, LANES)
            runs_tile(arena, pixel(source, y, x), 0, 1, C, weights, b0, 0, LANES,
                      scratch, start, 0, to, at, apart, 1, C)  # fmt: skip
            if not whole:
                for i in range(pixels):
                    for lane in range(channels):
                        arena[c0 + i * J + lane] = scratch[i * LANES + lane]
            if other.at != NOWHERE:
                _add(arena, pixel(other, y, x) + j, c0, J, pixels, channels)


@jit
def _add(arena, other, at, J, pixels, channels):
    """Add a tile of an image to another's."""
    for i in range(pixels):
        if channels == LANES:
            move(arena, other + i * J, arena, at + i * J, LANES, True)
        else:
            for n in range(channels):
                arena[at + i * J + n] += arena[other + i * J + n]
