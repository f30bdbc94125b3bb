"""How images lie in memory for the kernels: [row, column, channel], with a border of zeros around.

Channels come last, so that LANES output channels fill the tile's registers while its rows are ROWS neighbouring
pixels: any batch size, image size and number of channels keeps the processor busy, one image as well as a hundred.
The zeros around spare the convolution every question about edges: what it reads beside an output pixel is three
runs of memory, of 3 x channels numbers each.

A worker keeps all images of one sample in one flat float32 array, the arena.  An `Image` says where in it one starts
and how large it is.  The kernels work on whole registers: where an image does not fill them, they read some numbers
behind its end, and what those give is never stored.  So the arena needs a few numbers more than its images.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.registers import VECTOR
from numpy_diffusion.kernels.vector.tile import move, use_full_registers

NOWHERE = -1  # the place of what is not there


class Image(NamedTuple):
    """Where an image [height, width, channels] starts in the arena; its border of zeros is 0 or 1 pixels wide."""

    at: int
    height: int
    width: int
    channels: int
    border: int


IMAGE = np.dtype([(name, np.int64) for name in Image._fields])  # a row of a table of images
NO_IMAGE = Image(NOWHERE, 0, 0, 0, 0)


SAMPLES = 8  # that go through a kernel together, at most: its weights are then fetched once for all of them


class Worker(NamedTuple):
    """What a thread works with, and its share of a kernel's work: the part-th of `parts`, counted from 0."""

    arena: np.ndarray  # float32, with the images
    scratch: np.ndarray  # float32, for a kernel's own intermediate results; each says how much it needs
    part: int
    parts: int


@inline_jit
def image(table, row):
    """A row of a table of images."""
    found = table[row]
    return Image(found["at"], found["height"], found["width"], found["channels"], found["border"])


@register_jitable
def size(height, width, channels, border):
    """Numbers that an image takes; for Python and for kernels."""
    return (height + 2 * border) * (width + 2 * border) * channels


@inline_jit
def pitch(image):
    """Numbers from a row to the next."""
    return (image.width + 2 * image.border) * image.channels


@inline_jit
def pixel(image, y, x):
    """Where a pixel's channels start; row and column -1 are the border."""
    return image.at + (y + image.border) * pitch(image) + (x + image.border) * image.channels


@jit
def clear_border(arena, image):
    """Zeros around the image."""
    if image.border == 0:
        return
    length = pitch(image)
    arena[image.at : image.at + length + image.channels] = 0
    for y in range(image.height - 1):
        end = pixel(image, y, image.width)
        arena[end : end + 2 * image.channels] = 0
    end = pixel(image, image.height - 1, image.width)
    arena[end : end + length + image.channels] = 0


@inline_jit
def copy_or_add(arena, at, to, n, add):
    """arena[to...] = arena[at...], where `add` += it, n numbers."""
    whole = n // VECTOR * VECTOR
    move(arena, at, arena, to, whole, add)
    for i in range(whole, n):
        arena[to + i] = arena[to + i] + arena[at + i] if add else arena[at + i]


def channel_sums_size(width, C):
    """Numbers of scratch that `channel_sums` needs: one row."""
    return max(width, 1) * C


@jit
def channel_sums(arena, image, sums):
    """sums[c] = the sum over the pixels of channel c, 0 where there are none; the loop runs over whole rows, so sums
    holds one."""
    use_full_registers()
    C, n = image.channels, image.width * image.channels
    sums[: max(n, C)] = 0
    for y in range(image.height):
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
    for c in range(image.channels):
        for y in range(image.height):
            for column in range(image.width):
                arena[pixel(image, y, column) + c] = x[c, y, column]
    clear_border(arena, image)


@jit
def store(arena, image, x):
    """Copy the image to x [C, H, W]."""
    for c in range(image.channels):
        for y in range(image.height):
            for column in range(image.width):
                x[c, y, column] = arena[pixel(image, y, column) + c]


def side_by_side(*shapes):
    """Images of these (height, width, channels, border), one behind the other, and the numbers that they take."""
    images, start = [], 0
    for shape in shapes:
        images.append(Image(start, *shape))
        start += round_up(size(*shape), 16)
    return images, start
