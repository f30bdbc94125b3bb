"""Moves between images: nearest upsampling, joining channels, zeros between pixels, dropout, SiLU on a vector.

Twins of `layers/upsample.py`, `layers/dropout.py` and `layers/silu.py`, with their gradients; `add` adds to what
stands there.
"""

import numpy as np
from numba import uint32

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import sigmoid, silu_slope
from numpy_diffusion.kernels.layers.images import (
    AT,
    BORDER,
    CHANNELS,
    HEIGHT,
    WIDTH,
    carry,
    clear_border,
    pixel,
    share,
    size,
)
from numpy_diffusion.kernels.random import philox4x32


@jit
def upsample(arena, src, dst, part, parts):
    """Each pixel of src as 2 x 2 of dst; this part's rows of dst."""
    C = src[CHANNELS]
    low, high = share(dst[HEIGHT], part, parts)
    for y in range(low, high):
        for x in range(dst[WIDTH]):
            at, to = pixel(src, y // 2, x // 2), pixel(dst, y, x)
            carry(arena, at, to, C, False)
    if part == 0:
        clear_border(arena, dst)


@jit
def upsample_backward(arena, dy, dx, add):
    """dx (+)= the sum of each 2 x 2 pixels of dy."""
    C = dx[CHANNELS]
    for y in range(dx[HEIGHT]):
        for x in range(dx[WIDTH]):
            upper, lower, to = pixel(dy, 2 * y, 2 * x), pixel(dy, 2 * y + 1, 2 * x), pixel(dx, y, x)
            carry(arena, upper, to, C, add)
            for at in (upper + C, lower, lower + C):
                carry(arena, at, to, C, True)
    clear_border(arena, dx)


@jit
def join(arena, src, dst, channel, part, parts):
    """src as the channels of dst from `channel` on; this part's rows."""
    C = src[CHANNELS]
    low, high = share(dst[HEIGHT], part, parts)
    for y in range(low, high):
        for x in range(dst[WIDTH]):
            at, to = pixel(src, y, x), pixel(dst, y, x) + channel
            carry(arena, at, to, C, False)
    if part == 0:
        clear_border(arena, dst)


@jit
def part_off(arena, src, dst, channel, add):
    """dst (+)= the channels of src from `channel` on."""
    C = dst[CHANNELS]
    for y in range(dst[HEIGHT]):
        for x in range(dst[WIDTH]):
            at, to = pixel(src, y, x) + channel, pixel(dst, y, x)
            carry(arena, at, to, C, add)
    clear_border(arena, dst)


@jit
def spread(arena, src, dst, offset):
    """dst: zeros, but for src's pixels at 2 y + offset, 2 x + offset."""
    C = src[CHANNELS]
    arena[dst[AT] : dst[AT] + size(dst[HEIGHT], dst[WIDTH], C, dst[BORDER])] = 0
    for y in range(src[HEIGHT]):
        for x in range(src[WIDTH]):
            at, to = pixel(src, y, x), pixel(dst, 2 * y + offset, 2 * x + offset)
            carry(arena, at, to, C, False)


@jit
def silu(arena, src, dst):
    """dst = src sigmoid(src) of vectors, images of one pixel."""
    n = src[CHANNELS]
    values, results = arena[src[AT] : src[AT] + n], arena[dst[AT] : dst[AT] + n]
    for i in range(n):
        results[i] = values[i] * sigmoid(values[i])


@jit
def silu_backward(arena, src, dy, dx, add):
    """dx (+)= dy times the slope at src."""
    n = src[CHANNELS]
    values, slopes = arena[src[AT] : src[AT] + n], arena[dy[AT] : dy[AT] + n]
    results = arena[dx[AT] : dx[AT] + n]
    for i in range(n):
        gradient = slopes[i] * silu_slope(values[i])
        results[i] = results[i] + gradient if add else gradient


@jit
def dropout(arena, src, dst, probability, key, stream, sample, step):
    """dst = src with each value zero by `probability`, else over 1 - probability; a gradient goes the same way."""
    H, W, C = src[HEIGHT], src[WIDTH], src[CHANNELS]
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
