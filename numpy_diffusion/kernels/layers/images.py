"""How images lie in memory for the kernels: [row, column, channel], with a border of zeros around.

Channels come last, so that LANES output channels fill the tile's registers while its rows are ROWS neighbouring
pixels: any batch size, image size and number of channels keeps the processor busy, one image as well as a hundred.
The zeros around spare the convolution every question about edges: what it reads beside an output pixel is three
runs of memory, of 3 x channels numbers each.

A worker keeps all images of one sample in one flat array, the arena; an image is a row of a table of int64, with the
columns below.  What is written to a few numbers more than an image has, or read from there, lands in the next one's
border or image and is never used: the arena has room behind the last.
"""

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.registers import VECTOR
from numpy_diffusion.kernels.vector.tile import move, wide

AT, HEIGHT, WIDTH, CHANNELS, BORDER = 0, 1, 2, 3, 4


@inline_jit
def size(height, width, channels, border):
    """Numbers that an image takes."""
    return (height + 2 * border) * (width + 2 * border) * channels


@inline_jit
def pitch(image):
    """Numbers from a row to the next."""
    return (image[WIDTH] + 2 * image[BORDER]) * image[CHANNELS]


@inline_jit
def pixel(image, y, x):
    """Where a pixel's channels start; row and column -1 are the border."""
    return image[AT] + (y + image[BORDER]) * pitch(image) + (x + image[BORDER]) * image[CHANNELS]


@inline_jit
def share(n, part, parts):
    """The part-th of `parts` equal shares of 0..n - 1: low, high."""
    return part * n // parts, (part + 1) * n // parts


@jit
def clear_border(arena, image):
    """Zeros around the image."""
    if image[BORDER] == 0:
        return
    length = pitch(image)
    arena[image[AT] : image[AT] + length + image[CHANNELS]] = 0
    for y in range(image[HEIGHT] - 1):
        end = pixel(image, y, image[WIDTH])
        arena[end : end + 2 * image[CHANNELS]] = 0
    end = pixel(image, image[HEIGHT] - 1, image[WIDTH])
    arena[end : end + length + image[CHANNELS]] = 0


@inline_jit
def carry(arena, at, to, n, add):
    """arena[to...] = arena[at...], where `add` += it, n numbers."""
    whole = n // VECTOR * VECTOR
    move(arena, at, arena, to, whole, add)
    for i in range(whole, n):
        arena[to + i] = arena[to + i] + arena[at + i] if add else arena[at + i]


@jit
def channel_sums(arena, image, sums):
    """sums[c] = the sum over the pixels of channel c; sums has room for a row, over which the loop runs."""
    wide()
    C, n = image[CHANNELS], image[WIDTH] * image[CHANNELS]
    sums[:n] = 0
    for y in range(image[HEIGHT]):
        values = arena[pixel(image, y, 0) : pixel(image, y, 0) + n]
        for i in range(n):
            sums[i] += values[i]
    fold(sums[:n], C)


@jit
def fold(row, C):
    """The sums over a row's pixels, to its first C numbers."""
    for start in range(C, row.shape[0], C):
        for c in range(C):
            row[c] += row[start + c]


@jit
def load(arena, image, x):
    """Take x [C, H, W] into the arena."""
    for c in range(image[CHANNELS]):
        for y in range(image[HEIGHT]):
            for column in range(image[WIDTH]):
                arena[pixel(image, y, column) + c] = x[c, y, column]
    clear_border(arena, image)


@jit
def store(arena, image, x):
    """Copy the image to x [C, H, W]."""
    for c in range(image[CHANNELS]):
        for y in range(image[HEIGHT]):
            for column in range(image[WIDTH]):
                x[c, y, column] = arena[pixel(image, y, column) + c]


def table(*shapes):
    """Images of these (height, width, channels, border), one behind the other, and the numbers they take."""
    rows, start = np.zeros((len(shapes), 5), np.int64), 0
    for row, shape in zip(rows, shapes, strict=True):
        row[:] = start, *shape
        start += round_up(size(*shape), 16)
    return rows, start
