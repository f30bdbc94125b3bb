"""GELU, y = x P(N(0, 1) < x), of images: the twin of `layers/gelu.py`."""

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import gelu_slope, normal_cdf
from numpy_diffusion.kernels.layers.images import clear_border, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.tile import use_full_registers


@jit
def forward(worker, src, dst):
    """dst from src; the worker's rows."""
    use_full_registers()
    arena, n = worker.arena, src.width * src.channels
    low, high = share(src.height, worker.part, worker.parts)
    for y in range(low, high):
        at, to = pixel(src, y, 0), pixel(dst, y, 0)
        values, results = arena[at : at + n], arena[to : to + n]
        for i in range(n):
            results[i] = values[i] * normal_cdf(values[i])
    if worker.part == 0:
        clear_border(arena, dst)


@jit
def backward(arena, src, dy, dx):
    """dx = the gradient by src."""
    use_full_registers()
    n = src.width * src.channels
    for y in range(src.height):
        at, of, to = pixel(src, y, 0), pixel(dy, y, 0), pixel(dx, y, 0)
        values, slopes, results = arena[at : at + n], arena[of : of + n], arena[to : to + n]
        for i in range(n):
            results[i] = slopes[i] * gelu_slope(values[i], normal_cdf(values[i]))
    clear_border(arena, dx)
