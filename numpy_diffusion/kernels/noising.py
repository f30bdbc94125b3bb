"""Signal and fresh noise in one pass, out = signal * x + sigma * eps: the twin of `forward.noised`.

The pass also finds whether all of x is finite: to look for that beforehand would read it from memory twice.

Each thread takes CHUNK rows.  Long rows run along their own elements; of short ones, which would not fill a
vector register, a chunk is drawn at once, its rows side by side.
"""

from typing import NamedTuple

import numpy as np
from numba import uint32

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.random import float_bits, normal4
from numpy_diffusion.kernels.threads import kept, run, share
from numpy_diffusion.kernels.vector.tile import use_full_registers

CHUNK = 64
SHORT = 64  # elements a row below which it is short


class Noising(NamedTuple):
    """What all threads are told; see `noised`."""

    x: np.ndarray
    signal: np.ndarray
    sigma: np.ndarray
    t: np.ndarray
    first: int
    stream: int
    key: tuple[int, int]
    xt: np.ndarray
    eps: np.ndarray
    finite: np.ndarray  # of each chunk, whether its x are


@jit
def _noised(thread, threads, place):
    x, signal, sigma, t, first, stream, (k0, k1), xt, eps, finite = kept(place)
    rows, D = x.shape
    begin, end = share(finite.shape[0], thread, threads)
    for chunk in range(begin, end):
        low, high = chunk * CHUNK, min((chunk + 1) * CHUNK, rows)
        if D < SHORT:
            _draw_short_rows(low, high, t, first, stream, k0, k1, eps)
            finite[chunk] = _mix(low, high, x, signal, sigma, xt, eps)
        else:
            finite[chunk] = True
            for n in range(low, high):
                _draw_long_row(eps[n], first + n, t[n], stream, k0, k1)
                finite[chunk] &= _mix(n, n + 1, x, signal, sigma, xt, eps)


@jit
def _mix(low, high, x, signal, sigma, xt, eps):
    """xt of some rows; whether their x is finite."""
    infinite = 0
    for n in range(low, high):
        for d in range(x.shape[1]):
            xt[n, d] = signal[n] * x[n, d] + sigma[n] * eps[n, d]
            infinite |= (float_bits(x[n, d]) & uint32(0x7F800000)) == uint32(0x7F800000)
    return infinite == 0


@jit
def _draw_long_row(row, sample, t, stream, k0, k1):
    """Element k * Q + j of a row is word k of counter j: four runs, the last shorter where 4 does not divide D.

    The runs are views: an index like Q + j might be negative for all the compiler knows, and the loop scalar.
    """
    use_full_registers()
    quads = (row.shape[0] + 3) // 4
    run0, run1, run2, run3 = row[:quads], row[quads : 2 * quads], row[2 * quads : 3 * quads], row[3 * quads :]
    for j in range(run3.shape[0]):
        run0[j], run1[j], run2[j], run3[j] = normal4(j, sample, t, stream, k0, k1)
    for j in range(run3.shape[0], quads):
        run0[j], run1[j], run2[j], _ = normal4(j, sample, t, stream, k0, k1)


@jit
def _draw_short_rows(low, high, t, first, stream, k0, k1, eps):
    D = eps.shape[1]
    quads = (D + 3) // 4
    z = np.empty((4, CHUNK), np.float32)
    steps = np.zeros(CHUNK, np.int64)
    for n in range(high - low):
        steps[n] = t[low + n]
    for j in range(quads):
        for i in range(CHUNK):
            z[0, i], z[1, i], z[2, i], z[3, i] = normal4(j, first + low + i, steps[i], stream, k0, k1)
        for k in range(4):
            if k * quads + j < D:
                for n in range(low, high):
                    eps[n, k * quads + j] = z[k, n - low]


def noised(x, signal, sigma, t, first, stream, key, out=None):
    """xt and eps, float32 [N, D], in `out` where they have a place there, and whether x is finite: signal, sigma
    float32 [N], t int64 [N], row n of sample first + n."""
    # one piece where there is none: the C library hands it out again without clearing
    xt, eps = np.empty((2, *x.shape), np.float32) if out is None else out
    finite = np.empty(-(-len(x) // CHUNK), np.bool_)
    words = np.uint32(key[0]), np.uint32(key[1])
    run(_noised, Noising(x, signal, sigma, t, first, np.uint32(stream), words, xt, eps, finite))
    return xt, eps, bool(finite.all())
