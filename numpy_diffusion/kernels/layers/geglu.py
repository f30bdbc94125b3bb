"""GEGLU (Shazeer 2020, arXiv 2002.05202): the twin of `layers/geglu.py`.

y = h gelu(g), of images whose first half of the channels is h and the second the gate g;  gelu(g) = g P(N(0, 1) < g)
"""

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.elementary import gelu_slope, normal_cdf
from numpy_diffusion.kernels.layers.images import clear_border, pixel
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.tile import use_full_registers


@jit
def forward(worker, src, dst):
    """dst from src, which has twice its channels; the worker's rows."""
    use_full_registers()
    arena, C = worker.arena, dst.channels
    low, high = share(dst.height, worker.part, worker.parts)
    for y in range(low, high):
        for x in range(dst.width):
            at, to = pixel(src, y, x), pixel(dst, y, x)
            values, gates, results = arena[at : at + C], arena[at + C : at + 2 * C], arena[to : to + C]
            for c in range(C):
                results[c] = values[c] * (gates[c] * normal_cdf(gates[c]))
    if worker.part == 0:
        clear_border(arena, dst)


@jit
def backward(arena, src, dy, dx):
    """dx = the gradient by src, of both halves."""
    use_full_registers()
    C = dy.channels
    for y in range(dy.height):
        for x in range(dy.width):
            at, of, to = pixel(src, y, x), pixel(dy, y, x), pixel(dx, y, x)
            values, gates, slopes = arena[at : at + C], arena[at + C : at + 2 * C], arena[of : of + C]
            dvalues, dgates = arena[to : to + C], arena[to + C : to + 2 * C]
            for c in range(C):
                gate, slope = gates[c], slopes[c]
                below = normal_cdf(gate)
                dgates[c] = slope * values[c] * gelu_slope(gate, below)
                dvalues[c] = slope * (gate * below)
    clear_border(arena, dx)
