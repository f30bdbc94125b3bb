"""Group norm with SiLU behind it in the same pass: the twin of `layers/group_norm.py` and `layers/silu.py`.

u = (x - mean) / sqrt(variance + eps) * weight + bias over each group of channels of one sample;  y = u sigmoid(u).

Pixels of a row lie one behind the other, so what belongs to a channel is repeated for each pixel of a row: the loops
then run over whole rows, long enough for the widest registers.
"""

import math

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import sigmoid, silu_slope
from numpy_diffusion.kernels.layers.images import (
    CHANNELS,
    HEIGHT,
    WIDTH,
    channel_sums,
    clear_border,
    fold,
    pixel,
    share,
)
from numpy_diffusion.kernels.vector.tile import wide


def room(width, C):
    """Numbers of scratch that the norm of an image of this width needs."""
    return 7 * width * C


@jit
def statistics(arena, src, stats, groups, eps, scratch):
    """Mean and 1 / deviation of each group, to arena[stats + 2 g] and the next."""
    wide()
    C, n = src[CHANNELS], src[WIDTH] * src[CHANNELS]
    size = C // groups
    sums, means, count = scratch[:n], scratch[n : 2 * n], np.float32(src[HEIGHT] * src[WIDTH] * size)
    channel_sums(arena, src, sums)
    for c in range(C):
        if c % size == 0:
            arena[stats + 2 * (c // size)] = _total(sums, c, size) / count
        means[c] = arena[stats + 2 * (c // size)]
    _repeat(means, C)
    sums[:] = 0
    for y in range(src[HEIGHT]):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        for i in range(n):
            sums[i] += (values[i] - means[i]) * (values[i] - means[i])
    fold(sums, C)
    for g in range(groups):
        variance = _total(sums, g * size, size) / count
        arena[stats + 2 * g + 1] = np.float32(1) / math.sqrt(variance + np.float32(eps))


@jit
def _repeat(values, C):
    """The first C numbers again for each pixel of a row."""
    for i in range(C, values.shape[0]):
        values[i] = values[i - C]


@jit
def _total(values, first, count):
    total = np.float32(0)
    for i in range(first, first + count):
        total += values[i]
    return total


@jit
def forward(arena, src, dst, stats, weights, w0, b0, groups, silu, scratch, part, parts):
    """dst from src by the statistics; this part's rows.  Weight and bias at w0 and b0."""
    wide()
    n = src[WIDTH] * src[CHANNELS]
    a, b = _scaled(arena, src, stats, weights, w0, b0, groups, scratch)
    low, high = share(src[HEIGHT], part, parts)
    for y in range(low, high):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        results = arena[pixel(dst, y, 0) : pixel(dst, y, 0) + n]
        if silu:
            for i in range(n):
                u = values[i] * a[i] + b[i]
                results[i] = u * sigmoid(u)
        else:
            for i in range(n):
                results[i] = values[i] * a[i] + b[i]
    if part == 0:
        clear_border(arena, dst)


@jit
def _scaled(arena, src, stats, weights, w0, b0, groups, scratch):
    """a and b of u = a x + b, for each number of a row."""
    C, n = src[CHANNELS], src[WIDTH] * src[CHANNELS]
    a, b, size = scratch[:n], scratch[n : 2 * n], C // groups
    for c in range(C):
        mean, inverse = arena[stats + 2 * (c // size)], arena[stats + 2 * (c // size) + 1]
        a[c] = weights[w0 + c] * inverse
        b[c] = weights[b0 + c] - mean * a[c]
    _repeat(a, C)
    _repeat(b, C)
    return a, b


@jit
def backward(arena, src, dy, dx, stats, weights, gradients, w0, b0, groups, silu, add, scratch):
    """dx (+)= the gradient by src; that by weight and bias is added to `gradients`.  dy becomes that by u.

    With n = (x - mean) / deviation and g = du weight:  dx = (g - mean(g) - n mean(g n)) / deviation, the means over
    the group.
    """
    wide()
    C, n = src[CHANNELS], src[WIDTH] * src[CHANNELS]
    size = C // groups
    a, b = _scaled(arena, src, stats, weights, w0, b0, groups, scratch)
    sums, products = scratch[2 * n : 3 * n], scratch[3 * n : 4 * n]
    sums[:] = 0
    products[:] = 0
    for y in range(src[HEIGHT]):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        slopes = arena[pixel(dy, y, 0) : pixel(dy, y, 0) + n]
        if silu:
            for i in range(n):
                slopes[i] *= silu_slope(values[i] * a[i] + b[i])
        for i in range(n):
            sums[i] += slopes[i]
            products[i] += slopes[i] * values[i]
    fold(sums, C)
    fold(products, C)
    scale, slope, constant = scratch[4 * n : 5 * n], scratch[5 * n : 6 * n], scratch[6 * n : 7 * n]
    count = np.float32(src[HEIGHT] * src[WIDTH] * size)
    for g in range(groups):
        mean, inverse = arena[stats + 2 * g], arena[stats + 2 * g + 1]
        mean_g, mean_gn = np.float32(0), np.float32(0)
        for c in range(g * size, (g + 1) * size):
            along = (products[c] - mean * sums[c]) * inverse  # sum of du n
            gradients[w0 + c] += along
            gradients[b0 + c] += sums[c]
            mean_g += weights[w0 + c] * sums[c]
            mean_gn += weights[w0 + c] * along
        mean_g, mean_gn = mean_g / count, mean_gn / count
        for c in range(g * size, (g + 1) * size):
            scale[c] = weights[w0 + c] * inverse
            slope[c] = -mean_gn * inverse * inverse
            constant[c] = -mean_g * inverse - slope[c] * mean
    _repeat(scale, C)
    _repeat(slope, C)
    _repeat(constant, C)
    for y in range(src[HEIGHT]):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        slopes = arena[pixel(dy, y, 0) : pixel(dy, y, 0) + n]
        results = arena[pixel(dx, y, 0) : pixel(dx, y, 0) + n]
        if add:
            for i in range(n):
                results[i] += scale[i] * slopes[i] + slope[i] * values[i] + constant[i]
        else:
            for i in range(n):
                results[i] = scale[i] * slopes[i] + slope[i] * values[i] + constant[i]
    clear_border(arena, dx)
