"""The quick GELU, y = x sigmoid(1.702 x), of images: the twin of `layers/quick_gelu.py`."""

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import sigmoid
from numpy_diffusion.kernels.layers.images import clear_border, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.tile import use_full_registers

SCALE = np.float32(1.702)


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
            results[i] = values[i] * sigmoid(SCALE * values[i])
    if worker.part == 0:
        clear_border(arena, dst)


@jit
def backward(arena, src, dy, dx):
    """dx = the gradient by src: with s the sigmoid, the slope is s (1 + 1.702 x (1 - s))."""
    use_full_registers()
    n = src.width * src.channels
    for y in range(src.height):
        at, of, to = pixel(src, y, 0), pixel(dy, y, 0), pixel(dx, y, 0)
        values, slopes, results = arena[at : at + n], arena[of : of + n], arena[to : to + n]
        for i in range(n):
            x = SCALE * values[i]
            s = sigmoid(x)
            results[i] = slopes[i] * (s * (np.float32(1) + x * (np.float32(1) - s)))
    clear_border(arena, dx)
