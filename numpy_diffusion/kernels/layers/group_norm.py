"""Group norm with SiLU behind it in the same pass: the twin of `layers/group_norm.py` and `layers/silu.py`.

u = (x - mean) / sqrt(variance + eps) * weight + bias over each group of channels of one sample;  y = u sigmoid(u).
Where the step scales and shifts each channel, (1 + scale) u + shift takes the place of u.

Pixels of a row lie one behind the other, so what belongs to a channel is repeated for as many of them as the first
cache holds, STRETCH numbers: the loops then run over all of these, long enough for the widest registers.
"""

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.elementary import sigmoid, silu_slope
from numpy_diffusion.kernels.layers.images import NOWHERE, clear_border, fold, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.tile import use_full_registers

STRETCH = 4096  # numbers of a row that are gone through at a time
CACHED = 2**22  # numbers of an image that the last cache holds
# Rows of the scratch, each as long as such a stretch, and backward as a row of the image: what each number is
# multiplied with, or what is summed over the rows.  In the statistics TOTALS, MEANS and SUMS; forward, FACTOR and
# TERM; backward all of the first line.
FACTOR, TERM, SUMS, PRODUCTS, OF_GRADIENT, OF_VALUE, CONSTANT = range(7)
TOTALS, MEANS = range(2)


class Norm(NamedTuple):
    """A group norm's numbers."""

    weight: int  # where its weights start, one a channel
    bias: int  # where its biases start
    groups: int
    silu: bool  # whether SiLU follows
    scale: int  # where in the arena a scale for each channel starts, and behind them a shift for each; NOWHERE: none


@register_jitable
def pixels_at_a_time(width, C):
    """Of a row, forward."""
    return max(1, min(width, STRETCH // C))


def scratch_size(width, C):
    """Numbers of scratch that the norm of an image of this width needs, and its statistics."""
    return (SUMS + 1) * pixels_at_a_time(width, C) * C


def backward_scratch_size(width, C):
    """Numbers of scratch that its gradient needs."""
    return (CONSTANT + 1) * width * C


@inline_jit
def _row(scratch, number, n):
    return scratch[number * n : (number + 1) * n]


@jit
def statistics(worker, src, stats, groups, eps):
    """Mean and 1 / deviation of each group, to arena[stats + 2 g] and the next; the worker's groups.

    An image that no cache holds is one worker's: each of several would fetch what lies between its own channels.
    """
    arena, size = worker.arena, src.channels // groups
    low, high = share(groups, worker.part, worker.parts)
    if src.height * src.width * src.channels > CACHED:
        low, high = 0, groups if worker.part == 0 else 0
    first, C, n = low * size, (high - low) * size, pixels_at_a_time(src.width, src.channels) * src.channels
    scratch = worker.scratch
    totals, means, sums = _row(scratch, TOTALS, n), _row(scratch, MEANS, n), _row(scratch, SUMS, n)
    count = np.float32(src.height * src.width * size)
    means[:] = 0
    _totals(arena, src, first, C, means, False, sums, totals)
    for g in range(low, high):
        arena[stats + 2 * g] = _total(totals, g * size - first, size) / count
    for c in range(C):
        means[c] = arena[stats + 2 * (low + c // size)]
    _repeat(means, C)
    _totals(arena, src, first, C, means, True, sums, totals)
    for g in range(low, high):
        variance = _total(totals, g * size - first, size) / count
        arena[stats + 2 * g + 1] = np.float32(1) / math.sqrt(variance + np.float32(eps))


@jit
def _totals(arena, src, first, C, means, squared, sums, totals):
    """totals[c] = the sum over the pixels of channel first + c, or of its squared distance from means[c]: down each
    column of pixels, and then over the columns from left to right."""
    use_full_registers()
    pixels = pixels_at_a_time(src.width, src.channels)
    totals[:C] = 0
    for x in range(0, src.width, pixels):
        some = min(pixels, src.width - x)
        runs, run = (1, some * C) if src.channels == C else (some, C)
        sums[: some * C] = 0
        for y in range(src.height):
            for k in range(runs):
                at, to = pixel(src, y, x + k) + first, k * C
                values, own = arena[at : at + run], sums[to : to + run]
                if squared:
                    for i in range(run):
                        own[i] += (values[i] - means[i]) * (values[i] - means[i])
                else:
                    for i in range(run):
                        own[i] += values[i]
        for k in range(some):
            for c in range(C):
                totals[c] += sums[k * C + c]


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
    arena, C, pixels = worker.arena, src.channels, pixels_at_a_time(src.width, src.channels)
    factor, term = _scaled(worker, src, stats, weights, norm, pixels * C)
    low, high = share(src.height, worker.part, worker.parts)
    for y in range(low, high):
        for x in range(0, src.width, pixels):
            at, to, n = pixel(src, y, x), pixel(dst, y, x), min(pixels, src.width - x) * C
            values, results = arena[at : at + n], arena[to : to + n]
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
def _scaled(worker, src, stats, weights, norm, n):
    """factor and term of u = factor x + term, for each of n numbers of a row."""
    arena, C = worker.arena, src.channels
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
    factor, term = _scaled(worker, src, stats, weights, norm, n)
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
