"""Group norm with SiLU behind it in the same pass: the twin of `layers/group_norm.py` and `layers/silu.py`.

u = (x - mean) / sqrt(variance + eps) * weight + bias over each group of channels of one sample;  y = u sigmoid(u).
Where the step scales and shifts each channel, (1 + scale) u + shift takes the place of u.

Pixels of a row lie one behind the other, so what belongs to a channel is repeated for each pixel of a row: the loops
then run over whole rows, long enough for the widest registers.
"""

import math
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.elementary import sigmoid, silu_slope
from numpy_diffusion.kernels.layers.images import NOWHERE, channel_sums, clear_border, fold, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.tile import use_full_registers

# Rows of the scratch, each as long as a row of the image: what each number of an image's row is multiplied with, or
# what is summed over the rows.  In the statistics SUMS and MEANS; forward, FACTOR and TERM; backward all but MEANS.
FACTOR, TERM, SUMS, PRODUCTS, OF_GRADIENT, OF_VALUE, CONSTANT = range(7)
MEANS = FACTOR


class Norm(NamedTuple):
    """A group norm's numbers."""

    weight: int  # where its weights start, one a channel
    bias: int  # where its biases start
    groups: int
    silu: bool  # whether SiLU follows
    scale: int  # where in the arena a scale for each channel starts, and behind them a shift for each; NOWHERE: none


def scratch_size(width, C):
    """Numbers of scratch that the norm of an image of this width needs, with its statistics and its gradient."""
    return (CONSTANT + 1) * width * C


@inline_jit
def _row(scratch, number, n):
    return scratch[number * n : (number + 1) * n]


@jit
def statistics(worker, src, stats, groups, eps):
    """Mean and 1 / deviation of each group, to arena[stats + 2 g] and the next."""
    use_full_registers()
    arena, C, n = worker.arena, src.channels, src.width * src.channels
    size = C // groups
    sums, means = _row(worker.scratch, SUMS, n), _row(worker.scratch, MEANS, n)
    count = np.float32(src.height * src.width * size)
    channel_sums(arena, src, sums)
    for c in range(C):
        if c % size == 0:
            arena[stats + 2 * (c // size)] = _total(sums, c, size) / count
        means[c] = arena[stats + 2 * (c // size)]
    _repeat(means, C)
    sums[:] = 0
    for y in range(src.height):
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
def forward(worker, src, dst, stats, weights, norm):
    """dst from src by the statistics at arena[stats...]; the worker's rows."""
    use_full_registers()
    arena, n = worker.arena, src.width * src.channels
    factor, term = _scaled(worker, src, stats, weights, norm)
    low, high = share(src.height, worker.part, worker.parts)
    for y in range(low, high):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        results = arena[pixel(dst, y, 0) : pixel(dst, y, 0) + n]
        if norm.silu:
            for i in range(n):
                u = values[i] * factor[i] + term[i]
                results[i] = u * sigmoid(u)
        else:
            for i in range(n):
                results[i] = values[i] * factor[i] + term[i]
    if worker.part == 0:
        clear_border(arena, dst)


@jit
def _scaled(worker, src, stats, weights, norm):
    """factor and term of u = factor x + term, for each number of a row."""
    arena, C, n = worker.arena, src.channels, src.width * src.channels
    factor, term, size = _row(worker.scratch, FACTOR, n), _row(worker.scratch, TERM, n), C // norm.groups
    for c in range(C):
        mean, inverse = arena[stats + 2 * (c // size)], arena[stats + 2 * (c // size) + 1]
        weight, bias = weights[norm.weight + c], weights[norm.bias + c]
        if norm.scale != NOWHERE:
            scale = np.float32(1) + arena[norm.scale + c]
            weight, bias = weight * scale, bias * scale + arena[norm.scale + C + c]
        factor[c] = weight * inverse
        term[c] = bias - mean * factor[c]
    _repeat(factor, C)
    _repeat(term, C)
    return factor, term


@jit
def backward(worker, src, dy, dx, stats, weights, gradients, norm, add, dscale):
    """dx (+)= the gradient by src; that by weight and bias is added to `gradients`.  dy becomes that by u.

    The gradient by scale and shift, where there are any, is written to arena[dscale...].

    With n = (x - mean) / deviation and g = du weight:  dx = (g - mean(g) - n mean(g n)) / deviation, the means over
    the group.  As the loop over the pixels has it, dx = of_gradient du + of_value x + constant.
    """
    use_full_registers()
    arena, scratch, C, n = worker.arena, worker.scratch, src.channels, src.width * src.channels
    factor, term = _scaled(worker, src, stats, weights, norm)
    sums, products = _row(scratch, SUMS, n), _row(scratch, PRODUCTS, n)
    sums[:] = 0
    products[:] = 0
    for y in range(src.height):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        slopes = arena[pixel(dy, y, 0) : pixel(dy, y, 0) + n]
        if norm.silu:
            for i in range(n):
                slopes[i] *= silu_slope(values[i] * factor[i] + term[i])
        for i in range(n):
            sums[i] += slopes[i]
            products[i] += slopes[i] * values[i]
    fold(sums, C)
    fold(products, C)
    of_gradient, of_value, constant = (
        _row(scratch, OF_GRADIENT, n),
        _row(scratch, OF_VALUE, n),
        _row(scratch, CONSTANT, n),
    )
    size = C // norm.groups
    count = np.float32(src.height * src.width * size)
    for g in range(norm.groups):
        mean, inverse = arena[stats + 2 * g], arena[stats + 2 * g + 1]
        mean_g, mean_gn = np.float32(0), np.float32(0)
        for c in range(g * size, (g + 1) * size):
            along = (products[c] - mean * sums[c]) * inverse  # sum of du n
            weight, by_weight, by_bias = weights[norm.weight + c], along, sums[c]
            if norm.scale != NOWHERE:
                arena[dscale + c] = along * weight + sums[c] * weights[norm.bias + c]
                arena[dscale + C + c] = sums[c]
                scale = np.float32(1) + arena[norm.scale + c]
                weight, by_weight, by_bias = weight * scale, along * scale, sums[c] * scale
            gradients[norm.weight + c] += by_weight
            gradients[norm.bias + c] += by_bias
            mean_g += weight * sums[c]
            mean_gn += weight * along
            of_gradient[c] = weight * inverse
        mean_g, mean_gn = mean_g / count, mean_gn / count
        for c in range(g * size, (g + 1) * size):
            of_value[c] = -mean_gn * inverse * inverse
            constant[c] = -mean_g * inverse - of_value[c] * mean
    _repeat(of_gradient, C)
    _repeat(of_value, C)
    _repeat(constant, C)
    for y in range(src.height):
        values = arena[pixel(src, y, 0) : pixel(src, y, 0) + n]
        slopes = arena[pixel(dy, y, 0) : pixel(dy, y, 0) + n]
        results = arena[pixel(dx, y, 0) : pixel(dx, y, 0) + n]
        if add:
            for i in range(n):
                results[i] += of_gradient[i] * slopes[i] + of_value[i] * values[i] + constant[i]
        else:
            for i in range(n):
                results[i] = of_gradient[i] * slopes[i] + of_value[i] * values[i] + constant[i]
    clear_border(arena, dx)
