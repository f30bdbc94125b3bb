"""Convolution on the SIMD tile: the twin of `layers/conv.py`; a linear layer is one of 1 x 1 on one pixel.

y[p, j] = bias[j] + sum over the window's rows r and its runs k of x[p, r, k] W[r, k, j]

Weights are panels of LANES output channels, [panel, window row, window column, input channel, lane], and so are
their gradients.  The gradient by x is a convolution of dy with the weights turned by half a turn (`turned`); for a
stride of 2, of dy with zeros between its pixels (`resample.spread`).
"""

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import (
    AT,
    CHANNELS,
    HEIGHT,
    WIDTH,
    carry,
    channel_sums,
    clear_border,
    pitch,
    pixel,
    share,
)
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.tile import narrow_runs_tile, runs_tile

CHUNK = 64  # pixels over which a tile of the weights' gradient runs at a time, so that they stay in the first cache


@jit
def forward(arena, src, dst, weights, w0, u0, b0, k, stride, shift, vector, residual, scratch, part, parts):
    """dst = conv(src) + bias (+ vector, one number a channel) (+ residual, an image like dst); this part's rows.

    u0: where `winograd.transform` put these weights, -1 where it did not.  b0 = -1 is no bias, vector = -1 no vector,
    residual[AT] = -1 no residual.  shift: rows and columns of the bordered src before the first window.
    """
    J = dst[CHANNELS]
    start = scratch[ROWS * LANES :]
    for j in range(round_up(J, LANES)):
        start[j] = weights[b0 + j] if j < J and b0 >= 0 else np.float32(0)
        if j < J and vector >= 0:
            start[j] += arena[vector + j]
    if u0 >= 0:
        low, high = share(dst[HEIGHT] // 2, part, parts)
        room = ROWS * LANES + round_up(J, LANES)
        winograd.forward(arena, src, dst, weights, u0, shift, ROWS * LANES, residual[AT], scratch, room, low, high)
    else:
        low, high = share(dst[HEIGHT], part, parts)
        rows = 1 if k == 1 else max(1, high - low)  # the pixels stay in the first cache, or else the weights
        for y in range(low, high, rows):
            for panel in range(round_up(J, LANES) // LANES):
                _panel(arena, src, dst, weights, w0, k, stride, shift, scratch, panel, y, y + rows)
        if residual[AT] >= 0:
            for y in range(low, high):
                carry(arena, pixel(residual, y, 0), pixel(dst, y, 0), dst[WIDTH] * J, True)
    if part == 0:
        clear_border(arena, dst)


@jit
def _panel(arena, src, dst, weights, w0, k, stride, shift, scratch, panel, low, high):
    """LANES output channels of some rows."""
    C, J, row, j = src[CHANNELS], dst[CHANNELS], pitch(src), panel * LANES
    b0, depth, channels = w0 + panel * k * k * C * LANES, k * C, min(LANES, J - j)
    origin = src[AT] + shift * (row + C)
    height, width = (2 * ROWS, VECTOR) if channels <= VECTOR else (ROWS, LANES)
    for y in range(low, high):
        for x in range(0, dst[WIDTH], height):
            a0, c0 = origin + stride * (y * row + x * C), pixel(dst, y, x) + j
            if channels == LANES and x + ROWS <= dst[WIDTH]:
                runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                          scratch, ROWS * LANES + j, 0, arena, c0, J, k, depth)  # fmt: skip
                continue
            if channels > VECTOR:
                runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                          scratch, ROWS * LANES + j, 0, scratch, 0, LANES, k, depth)  # fmt: skip
            else:
                narrow_runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                                 scratch, ROWS * LANES + j, 0, scratch, 0, VECTOR, k, depth)  # fmt: skip
            for i in range(min(height, dst[WIDTH] - x)):
                for n in range(channels):
                    arena[c0 + i * J + n] = scratch[i * width + n]


@jit
def backward(arena, src, dy, weights, w0, b0, k, stride, shift, squares, vector, scratch):
    """Add the gradient by the weights and the bias to theirs; where vector >= 0 the bias's also to arena[vector...].

    `weights` is the gradient's array, laid out as the weights are;  squares: by `winograd`.
    """
    J = dy[CHANNELS]
    if squares:
        winograd.backward(arena, src, dy, weights, w0, shift, scratch)
    else:
        rows = max(1, CHUNK // dy[WIDTH])
        for y in range(0, dy[HEIGHT], rows):
            for panel in range(round_up(J, LANES) // LANES):
                _weights(arena, src, dy, weights, w0, k, stride, shift, scratch, panel, y, min(rows, dy[HEIGHT] - y))
    channel_sums(arena, dy, scratch)
    if b0 >= 0:
        for j in range(J):
            weights[b0 + j] += scratch[j]
    if vector >= 0:
        for j in range(J):
            arena[vector + j] = scratch[j]


@jit
def _weights(arena, src, dy, weights, w0, k, stride, shift, scratch, panel, y, rows):
    """What some rows of dy add to the gradient of one panel."""
    C, J, arow, j = src[CHANNELS], dy[CHANNELS], pitch(src), panel * LANES
    b0, brow, narrow = pixel(dy, y, 0) + j, pitch(dy), J - j <= VECTOR
    height = 2 * ROWS if narrow else ROWS
    for c in range(0, C, height):
        for tap in range(k * k):
            a0 = src[AT] + (stride * y + shift + tap // k) * arow + (shift + tap % k) * C + c
            c0 = w0 + ((panel * k * k + tap) * C + c) * LANES
            whole = c + height <= C  # else what lies behind the last channel is another tap's
            sums, s0 = (weights, c0) if whole else (scratch, 0)
            if not whole:
                scratch[: height * LANES] = 0
            if narrow:
                narrow_runs_tile(arena, a0, stride * arow, stride * C, 1, arena, b0, brow, J,
                                 sums, s0, LANES, sums, s0, LANES, rows, dy[WIDTH])  # fmt: skip
            else:
                runs_tile(arena, a0, stride * arow, stride * C, 1, arena, b0, brow, J,
                          sums, s0, LANES, sums, s0, LANES, rows, dy[WIDTH])  # fmt: skip
            if not whole:
                for i in range((C - c) * LANES):
                    weights[c0 + i] += scratch[i]


def panels(weight, fill=0):
    """[J, C, k, k] as the kernel reads it, flat: panels, the last filled up with `fill`."""
    J, C, k, _ = weight.shape
    filled = np.full((round_up(J, LANES), C, k, k), fill, weight.dtype)
    filled[:J] = weight
    return filled.reshape(-1, LANES, C, k, k).transpose(0, 3, 4, 2, 1).ravel()


def turned(weight, fill=0):
    """The weights [J, C, k, k] of the convolution that leads from dy back to dx, as the kernel reads them."""
    return panels(weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3), fill)
