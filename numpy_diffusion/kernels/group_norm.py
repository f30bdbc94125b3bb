"""Group norm with SiLU behind it in the same pass: the twin of `layers/group_norm.py` and `layers/silu.py`.

u = (x - mean) / sqrt(variance + eps) * weight + bias over each group of channels of one sample;  y = u sigmoid(u).
"""

import math

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import sigmoid, silu_slope
from numpy_diffusion.kernels.images import CHANNELS, HEIGHT, WIDTH, clear_border, pixel, share


@jit
def statistics(arena, src, stats, groups, eps, scratch, part, parts):
    """Mean and 1 / deviation of this part's groups, to arena[stats + 2 g] and the next."""
    size = src[CHANNELS] // groups
    low, high = share(groups, part, parts)
    first, C = low * size, (high - low) * size
    sums, count = scratch[:C], np.float32(src[HEIGHT] * src[WIDTH] * size)
    sums[:] = 0
    for y in range(src[HEIGHT]):
        for x in range(src[WIDTH]):
            at = pixel(src, y, x) + first
            values = arena[at : at + C]
            for c in range(C):
                sums[c] += values[c]
    for g in range(low, high):
        arena[stats + 2 * g] = _total(sums, (g - low) * size, size) / count
    means = scratch[C : 2 * C]
    for c in range(C):
        means[c] = arena[stats + 2 * (low + c // size)]
    sums[:] = 0
    for y in range(src[HEIGHT]):
        for x in range(src[WIDTH]):
            at = pixel(src, y, x) + first
            values = arena[at : at + C]
            for c in range(C):
                sums[c] += (values[c] - means[c]) * (values[c] - means[c])
    for g in range(low, high):
        variance = _total(sums, (g - low) * size, size) / count
        arena[stats + 2 * g + 1] = np.float32(1) / math.sqrt(variance + np.float32(eps))


@jit
def _total(values, first, count):
    total = np.float32(0)
    for i in range(first, first + count):
        total += values[i]
    return total


@jit
def forward(arena, src, dst, stats, weights, w0, b0, groups, silu, scratch, part, parts):
    """dst from src by the statistics; this part's rows.  Weight and bias at w0 and b0."""
    C = src[CHANNELS]
    a, b = _scaled(arena, stats, weights, w0, b0, C, groups, scratch)
    low, high = share(src[HEIGHT], part, parts)
    for y in range(low, high):
        for x in range(src[WIDTH]):
            at, to = pixel(src, y, x), pixel(dst, y, x)
            values, results = arena[at : at + C], arena[to : to + C]
            if silu:
                for c in range(C):
                    u = values[c] * a[c] + b[c]
                    results[c] = u * sigmoid(u)
            else:
                for c in range(C):
                    results[c] = values[c] * a[c] + b[c]
    if part == 0:
        clear_border(arena, dst)


@jit
def _scaled(arena, stats, weights, w0, b0, C, groups, scratch):
    """a [C] and b [C] of u = a x + b."""
    a, b, size = scratch[:C], scratch[C : 2 * C], C // groups
    for c in range(C):
        mean, inverse = arena[stats + 2 * (c // size)], arena[stats + 2 * (c // size) + 1]
        a[c] = weights[w0 + c] * inverse
        b[c] = weights[b0 + c] - mean * a[c]
    return a, b


@jit
def backward(arena, src, dy, dx, stats, weights, gradients, w0, b0, groups, silu, add, scratch):
    """dx (+)= the gradient by src; that by weight and bias is added to `gradients`.  dy becomes that by u.

    With n = (x - mean) / deviation and g = du weight:  dx = (g - mean(g) - n mean(g n)) / deviation, the means over
    the group.
    """
    C, size = src[CHANNELS], src[CHANNELS] // groups
    a, b = _scaled(arena, stats, weights, w0, b0, C, groups, scratch)
    sums, products = scratch[2 * C : 3 * C], scratch[3 * C : 4 * C]
    sums[:] = 0
    products[:] = 0
    for y in range(src[HEIGHT]):
        for x in range(src[WIDTH]):
            at, to = pixel(src, y, x), pixel(dy, y, x)
            values, slopes = arena[at : at + C], arena[to : to + C]
            if silu:
                for c in range(C):
                    slopes[c] *= silu_slope(values[c] * a[c] + b[c])
            for c in range(C):
                sums[c] += slopes[c]
                products[c] += slopes[c] * values[c]
    scale, slope, constant = scratch[4 * C : 5 * C], scratch[5 * C : 6 * C], scratch[6 * C : 7 * C]
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
    for y in range(src[HEIGHT]):
        for x in range(src[WIDTH]):
            at, to, out = pixel(src, y, x), pixel(dy, y, x), pixel(dx, y, x)
            values, slopes, results = arena[at : at + C], arena[to : to + C], arena[out : out + C]
            if add:
                for c in range(C):
                    results[c] += scale[c] * slopes[c] + slope[c] * values[c] + constant[c]
            else:
                for c in range(C):
                    results[c] = scale[c] * slopes[c] + slope[c] * values[c] + constant[c]
    clear_border(arena, dx)
