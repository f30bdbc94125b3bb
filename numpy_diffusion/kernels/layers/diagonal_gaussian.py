"""A Gaussian with independent numbers, sampled: the twin of `layers/diagonal_gaussian.py`."""

from numba import float32

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import exp
from numpy_diffusion.kernels.layers.images import clear_border, pixel

LOWEST, HIGHEST = -30.0, 20.0  # `layers.diagonal_gaussian.RANGE`


@jit
def forward(arena, moments, noise, z, divergence, factor):
    """z = mean + sigma noise, and factor times the divergence from N(0, I), one number."""
    C, total = z.channels, float32(0)
    for y in range(z.height):
        for x in range(z.width):
            at, of, to = pixel(moments, y, x), pixel(noise, y, x), pixel(z, y, x)
            for c in range(C):
                mean = arena[at + c]
                log_variance = min(max(arena[at + C + c], float32(LOWEST)), float32(HIGHEST))
                sigma = exp(float32(0.5) * log_variance)
                arena[to + c] = mean + sigma * arena[of + c]
                total += float32(0.5) * (mean * mean + sigma * sigma - float32(1) - log_variance)
    clear_border(arena, z)
    arena[divergence.at] = float32(factor) * total


@jit
def backward(arena, moments, noise, dz, dmoments, factor):
    """dmoments, from dz and from factor times the divergence."""
    C, weight = dz.channels, float32(factor)
    for y in range(dz.height):
        for x in range(dz.width):
            at, of, by, to = pixel(moments, y, x), pixel(noise, y, x), pixel(dz, y, x), pixel(dmoments, y, x)
            for c in range(C):
                mean, log_variance, slope = arena[at + c], arena[at + C + c], arena[by + c]
                arena[to + c] = slope + weight * mean
                sigma = exp(float32(0.5) * log_variance)
                moved = float32(0.5) * (slope * sigma * arena[of + c] + weight * (sigma * sigma - float32(1)))
                inside = log_variance >= float32(LOWEST) and log_variance <= float32(HIGHEST)
                arena[to + C + c] = moved if inside else float32(0)
    clear_border(arena, dmoments)
