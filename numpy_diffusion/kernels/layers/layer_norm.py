"""Layer norm over the channels of each pixel: the twin of `layers/layer_norm.py`.

y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance over the pixel's channels
"""

import math
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.layers.images import clear_border, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.sums import row_product_total, row_total
from numpy_diffusion.kernels.vector.tile import use_full_registers


class Norm(NamedTuple):
    """A layer norm's numbers."""

    weight: int  # where its weights start, one a channel
    bias: int  # where its biases start
    eps: float


def scratch_size(C):
    """Numbers of scratch that the gradient needs: one pixel's."""
    return C


@inline_jit
def _statistics(arena, at, C, eps):
    """Mean and 1 / deviation of the C numbers from arena[at] on."""
    mean = row_total(arena, at, C) / np.float32(C)
    variance = row_product_total(arena, at, mean, arena, at, mean, C) / np.float32(C)
    return mean, np.float32(1) / math.sqrt(variance + np.float32(eps))


@jit
def forward(worker, src, dst, weights, norm):
    """dst from src; the worker's rows."""
    use_full_registers()
    arena, C = worker.arena, src.channels
    weight, bias = weights[norm.weight : norm.weight + C], weights[norm.bias : norm.bias + C]
    low, high = share(src.height, worker.part, worker.parts)
    for y in range(low, high):
        for x in range(src.width):
            at, to = pixel(src, y, x), pixel(dst, y, x)
            mean, inverse = _statistics(arena, at, C, norm.eps)
            values, results = arena[at : at + C], arena[to : to + C]
            for c in range(C):
                results[c] = (values[c] - mean) * inverse * weight[c] + bias[c]
    if worker.part == 0:
        clear_border(arena, dst)


@jit
def backward(worker, src, dy, dx, weights, gradients, norm, add):
    """dx (+)= the gradient by src; that by weight and bias is added to `gradients`.

    With n = (x - mean) / deviation and g = dy weight:  dx = (g - mean(g) - n mean(g n)) / deviation, the means over
    the pixel's channels.
    """
    use_full_registers()
    arena, C = worker.arena, src.channels
    weight, slope = weights[norm.weight : norm.weight + C], worker.scratch[:C]
    dweight, dbias = gradients[norm.weight : norm.weight + C], gradients[norm.bias : norm.bias + C]
    for y in range(src.height):
        for x in range(src.width):
            at, of, to = pixel(src, y, x), pixel(dy, y, x), pixel(dx, y, x)
            mean, inverse = _statistics(arena, at, C, norm.eps)
            values, slopes, results = arena[at : at + C], arena[of : of + C], arena[to : to + C]
            for c in range(C):
                dweight[c] += slopes[c] * ((values[c] - mean) * inverse)
                dbias[c] += slopes[c]
                slope[c] = slopes[c] * weight[c]
            mean_g = row_total(slope, 0, C) / np.float32(C)
            along = row_product_total(slope, 0, np.float32(0), arena, at, mean, C) * inverse / np.float32(C)
            if add:
                for c in range(C):
                    results[c] += (slope[c] - mean_g - (values[c] - mean) * inverse * along) * inverse
            else:
                for c in range(C):
                    results[c] = (slope[c] - mean_g - (values[c] - mean) * inverse * along) * inverse
    clear_border(arena, dx)
