"""Waves of the coordinates in float64, and along a direction: the twin of `layers/fourier_features.py`.

All are [row, lane]: D coordinates, then for each octave the sines along D^2 directions and their cosines.
"""

import math

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit, jit
from numpy_diffusion.kernels.vector.double import LANES

PERIOD = 8.0  # of the longest wave, see `layers.fourier_features`
# sin r = r + r z P(z) and cos r = 1 - z / 2 + z^2 Q(z) with z = r^2, |r| <= pi / 4: the polynomials of Cephes, sin.c
SIN = (
    1.58962301576546568060e-10,
    -2.50507477628578072866e-8,
    2.75573136213857245213e-6,
    -1.98412698295895385996e-4,
    8.33333333332211858878e-3,
    -1.66666666666666307295e-1,
)
COS = (
    -1.13585365213876817300e-11,
    2.08757008419747316778e-9,
    -2.75573141792967388112e-7,
    2.48015872888517045348e-5,
    -1.38888888888730564116e-3,
    4.16666666666665929218e-2,
)


@inline_jit
def sincos_turn(u):
    """sin and cos of 2 pi u for u in [0, 1): the nearest quarter turn, and polynomials for the rest."""
    k = np.int64(u * 4.0 + 0.5)
    r = (u - k * 0.25) * (2.0 * math.pi)
    z = r * r
    s, c = SIN[0], COS[0]
    s, c = s * z + SIN[1], c * z + COS[1]
    s, c = s * z + SIN[2], c * z + COS[2]
    s, c = s * z + SIN[3], c * z + COS[3]
    s, c = s * z + SIN[4], c * z + COS[4]
    s, c = s * z + SIN[5], c * z + COS[5]
    s, c = s * z * r + r, c * z * z - 0.5 * z + 1.0
    odd = (k & 1) != 0
    sine, cosine = (c if odd else s), (s if odd else c)
    sine = -sine if (k & 2) != 0 else sine
    cosine = -cosine if ((k + 1) & 2) != 0 else cosine
    return sine, cosine


@jit
def add_waves(inputs, D, octaves):
    """The waves of inputs[:D] behind them."""
    count, direction = D * D, 0
    for d in range(D):
        for e in range(d, D):
            along, across = (1.0, 0.0) if e == d else (math.sqrt(0.5), math.sqrt(0.5))
            for _ in range(1 if e == d else 2):
                per_turn = PERIOD
                for octave in range(octaves):
                    row = D + 2 * octave * count + direction
                    for i in range(LANES):
                        turns = (along * inputs[d, i] + across * inputs[e, i]) / per_turn
                        inputs[row, i], inputs[row + count, i] = sincos_turn(turns - np.floor(turns))
                    per_turn *= 0.5
                direction, across = direction + 1, -across


@jit
def waves_along(inputs, tangent, D, octaves, out):
    """The derivative of what `add_waves` left in `inputs` along a tangent [D, LANES] of the coordinates."""
    count, direction = D * D, 0
    for d in range(D):
        for i in range(LANES):
            out[d, i] = tangent[d, i]
        for e in range(d, D):
            along, across = (1.0, 0.0) if e == d else (math.sqrt(0.5), math.sqrt(0.5))
            for _ in range(1 if e == d else 2):
                frequency = 2.0 * math.pi / PERIOD
                for octave in range(octaves):
                    row = D + 2 * octave * count + direction
                    for i in range(LANES):
                        change = frequency * (along * tangent[d, i] + across * tangent[e, i])
                        out[row, i] = inputs[row + count, i] * change
                        out[row + count, i] = -inputs[row, i] * change
                    frequency *= 2.0
                direction, across = direction + 1, -across
