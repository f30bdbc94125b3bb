"""Moves between images: doubling, means, concatenation, slices of channels, the last pixel, dilation, dropout; and
SiLU of a vector.

Twins of `layers/upsample.py`, `layers/downsample.py`, `layers/dropout.py` and `layers/silu.py`, with their gradients;
`add` adds to what stands there.
"""

import numpy as np
from numba import uint32

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.elementary import sigmoid, silu_slope
from numpy_diffusion.kernels.layers.images import clear_border, copy_or_add, pixel, size
from numpy_diffusion.kernels.random import philox4x32
from numpy_diffusion.kernels.threads import share


@part_jit
def upsample(worker, src, dst):
    """Each pixel of src as 2 x 2 of dst; the worker's rows of dst."""
    arena, C = worker.arena, src.channels
    low, high = share(dst.height, worker.part, worker.parts)
    for y in range(low, high):
        for x in range(dst.width):
            at, to = pixel(src, y // 2, x // 2), pixel(dst, y, x)
            copy_or_add(arena, at, to, C, False)
    if worker.part == 0:
        clear_border(arena, dst)


@part_jit
def upsample_backward(arena, dy, dx, add):
    """dx (+)= the sum of each 2 x 2 pixels of dy."""
    C = dx.channels
    for y in range(dx.height):
        for x in range(dx.width):
            upper, lower, to = pixel(dy, 2 * y, 2 * x), pixel(dy, 2 * y + 1, 2 * x), pixel(dx, y, x)
            copy_or_add(arena, upper, to, C, add)
            for at in (upper + C, lower, lower + C):
                copy_or_add(arena, at, to, C, True)
    clear_border(arena, dx)


@part_jit
def average(worker, src, dst):
    """Each pixel of dst is the mean of 2 x 2 of src; the worker's rows of dst."""
    arena, C = worker.arena, src.channels
    low, high = share(dst.height, worker.part, worker.parts)
    for y in range(low, high):
        for x in range(dst.width):
            upper, lower, to = pixel(src, 2 * y, 2 * x), pixel(src, 2 * y + 1, 2 * x), pixel(dst, y, x)
            for c in range(C):
                left, right = arena[upper + c] + arena[lower + c], arena[upper + C + c] + arena[lower + C + c]
                arena[to + c] = np.float32(0.25) * (left + right)
    if worker.part == 0:
        clear_border(arena, dst)


@part_jit
def average_backward(arena, dy, dx, add):
    """dx (+)= a quarter of dy at each of the 2 x 2 pixels."""
    C = dx.channels
    for y in range(dx.height):
        for x in range(dx.width):
            at, to = pixel(dy, y // 2, x // 2), pixel(dx, y, x)
            for c in range(C):
                gradient = np.float32(0.25) * arena[at + c]
                arena[to + c] = arena[to + c] + gradient if add else gradient
    clear_border(arena, dx)


@part_jit
def concat(worker, src, dst, channel):
    """src as the channels of dst from `channel` on; the worker's rows."""
    arena, C = worker.arena, src.channels
    low, high = share(dst.height, worker.part, worker.parts)
    for y in range(low, high):
        for x in range(dst.width):
            at, to = pixel(src, y, x), pixel(dst, y, x) + channel
            copy_or_add(arena, at, to, C, False)
    if worker.part == 0:
        clear_border(arena, dst)


@part_jit
def slice_channels(arena, src, dst, channel, add):
    """dst (+)= the channels of src from `channel` on."""
    C = dst.channels
    for y in range(dst.height):
        for x in range(dst.width):
            at, to = pixel(src, y, x) + channel, pixel(dst, y, x)
            copy_or_add(arena, at, to, C, add)
    clear_border(arena, dst)


@part_jit
def dilate(arena, src, dst, offset):
    """dst: zeros, but for src's pixels at 2 y + offset, 2 x + offset: what a stride of 2 left out."""
    C = src.channels
    arena[dst.at : dst.at + size(dst.height, dst.width, C, dst.border)] = 0
    for y in range(src.height):
        for x in range(src.width):
            at, to = pixel(src, y, x), pixel(dst, 2 * y + offset, 2 * x + offset)
            copy_or_add(arena, at, to, C, False)


@part_jit
def silu(arena, src, dst):
    """dst = src sigmoid(src) of vectors, images of one pixel."""
    n = src.channels
    values, results = arena[src.at : src.at + n], arena[dst.at : dst.at + n]
    for i in range(n):
        results[i] = values[i] * sigmoid(values[i])


@part_jit
def silu_backward(arena, src, dy, dx, add):
    """dx (+)= dy times the slope at src."""
    n = src.channels
    values, slopes = arena[src.at : src.at + n], arena[dy.at : dy.at + n]
    results = arena[dx.at : dx.at + n]
    for i in range(n):
        gradient = slopes[i] * silu_slope(values[i])
        results[i] = results[i] + gradient if add else gradient


@jit
def last_pixel(arena, src, dst):
    """dst, a vector, from the last pixel of src."""
    copy_or_add(arena, pixel(src, src.height - 1, src.width - 1), dst.at, src.channels, False)


@jit
def last_pixel_backward(arena, dy, dx, add):
    """dx (+)= dy at the last pixel, and 0 at all others."""
    if not add:
        arena[dx.at : dx.at + size(dx.height, dx.width, dx.channels, dx.border)] = 0
    copy_or_add(arena, dy.at, pixel(dx, dx.height - 1, dx.width - 1), dx.channels, True)


@jit
def dropout(arena, src, dst, probability, key, stream, sample, step):
    """dst = src with each value zero by `probability`, else over 1 - probability; a gradient goes the same way."""
    H, W, C = src.height, src.width, src.channels
    quads, scale = (H * W * C + 3) // 4, np.float32(1) / np.float32(1.0 - probability)
    for j in range(quads):
        words = philox4x32(uint32(j), uint32(sample), uint32(step), uint32(stream), key[0], key[1])
        for k in range(4):
            e = k * quads + j  # in the order [C, H, W]
            if e < H * W * C:
                y, x, c = e // W % H, e % W, e // (H * W)
                drawn = np.float32(np.int32(words[k] >> uint32(8))) * np.float32(2.0**-24)
                kept = scale if drawn >= np.float32(probability) else np.float32(0)
                arena[pixel(dst, y, x) + c] = arena[pixel(src, y, x) + c] * kept
    clear_border(arena, dst)
