"""Convolution on the SIMD tile: the twin of `layers/conv.py`; a linear layer is one of 1 x 1 on one pixel.

y[p, j] = bias[j] + sum over the window's rows r and its runs k of x[p, r, k] W[r, k, j]

Weights are panels of LANES output channels, [panel, window row, window column, input channel, lane], and so are
their gradients.  The gradient by x is a convolution of dy with the weights turned by half a turn (`turned`); for a
stride of 2, of dy with zeros between its pixels (`resample.dilate`).
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import part_jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import (
    NOWHERE,
    channel_sums,
    channel_sums_size,
    clear_border,
    copy_or_add,
    pitch,
    pixel,
)
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.tile import narrow_runs_tile, runs_tile

CHUNK = 64  # pixels over which a tile of the weights' gradient runs at a time, so that they stay in the first cache


class Window(NamedTuple):
    """A convolution's numbers: where its parts start among the weights, and how its window moves."""

    weight: int
    squares: int  # what `winograd.transform` made of the weights; NOWHERE: the convolution does not go by squares
    bias: int  # NOWHERE: none
    k: int  # the window has k x k pixels
    stride: int
    shift: int  # rows and columns of the bordered image before the first window


class Scratch(NamedTuple):
    """Where a forward pass keeps what in its scratch; a tile comes first."""

    start: int  # what each output channel starts from: bias and vector
    squares: int  # what `winograd.forward` needs


@register_jitable
def forward_scratch(J):
    """The scratch of a forward pass of J output channels."""
    return Scratch(ROWS * LANES, ROWS * LANES + round_up(J, LANES))


def scratch_size(C, J):
    """Numbers of scratch that a convolution from C to J channels needs."""
    return forward_scratch(J).squares + winograd.forward_scratch_size(C)


def backward_scratch_size(C, J, width):
    """Numbers of scratch that the gradient by its weights needs, with outputs of this width."""
    return max(2 * ROWS * LANES, winograd.backward_scratch_size(C), channel_sums_size(width, J))


@part_jit
def forward(worker, src, dst, weights, window, vector, residual):
    """dst = conv(src) + bias (+ vector, one number a channel) (+ residual, an image like dst); the worker's rows.

    vector, residual: `NO_IMAGE` where there is none.
    """
    arena, scratch, J, place = worker.arena, worker.scratch, dst.channels, forward_scratch(dst.channels)
    start = scratch[place.start :]
    for j in range(round_up(J, LANES)):
        start[j] = weights[window.bias + j] if j < J and window.bias != NOWHERE else np.float32(0)
        if j < J and vector.at != NOWHERE:
            start[j] += arena[vector.at + j]
    if window.squares != NOWHERE:
        low, high = share(dst.height // 2, worker.part, worker.parts)
        winograd.forward(arena, src, dst, weights, window, scratch, place.start, place.squares, residual, low, high)
    else:
        low, high = share(dst.height, worker.part, worker.parts)
        rows = 1 if window.k == 1 else max(1, high - low)  # the pixels stay in the first cache, or else the weights
        for y in range(low, high, rows):
            for panel in range(round_up(J, LANES) // LANES):
                _panel(arena, src, dst, weights, window, scratch, panel, y, y + rows)
        if residual.at != NOWHERE:
            for y in range(low, high):
                copy_or_add(arena, pixel(residual, y, 0), pixel(dst, y, 0), dst.width * J, True)
    if worker.part == 0:
        clear_border(arena, dst)


@part_jit
def _panel(arena, src, dst, weights, window, scratch, panel, low, high):
    """LANES output channels of some rows."""
    C, J, row, j = src.channels, dst.channels, pitch(src), panel * LANES
    k, stride, start = window.k, window.stride, forward_scratch(J).start + j
    b0, depth, channels = window.weight + panel * k * k * C * LANES, k * C, min(LANES, J - j)
    origin = src.at + window.shift * (row + C)
    height, width = (2 * ROWS, VECTOR) if channels <= VECTOR else (ROWS, LANES)
    for y in range(low, high):
        for x in range(0, dst.width, height):
            a0, c0 = origin + stride * (y * row + x * C), pixel(dst, y, x) + j
            if channels == LANES and x + ROWS <= dst.width:
                runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                          scratch, start, 0, arena, c0, J, k, depth)  # fmt: skip
                continue
            if channels > VECTOR:
                runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                          scratch, start, 0, scratch, 0, LANES, k, depth)  # fmt: skip
            else:
                narrow_runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                                 scratch, start, 0, scratch, 0, VECTOR, k, depth)  # fmt: skip
            for i in range(min(height, dst.width - x)):
                for n in range(channels):
                    arena[c0 + i * J + n] = scratch[i * width + n]


@part_jit
def backward(worker, src, dy, weights, window, vector):
    """Add the gradient by the weights and the bias to theirs; that by the bias is also written to the vector.

    `weights` is the gradient's array, laid out as the weights are;  vector: `NO_IMAGE` where there was none.
    """
    arena, scratch, J = worker.arena, worker.scratch, dy.channels
    if window.squares != NOWHERE:
        winograd.backward(arena, src, dy, weights, window, scratch)
    else:
        rows = max(1, CHUNK // dy.width)
        for y in range(0, dy.height, rows):
            for panel in range(round_up(J, LANES) // LANES):
                _weights(arena, src, dy, weights, window, scratch, panel, y, min(rows, dy.height - y))
    channel_sums(arena, dy, scratch)
    if window.bias != NOWHERE:
        for j in range(J):
            weights[window.bias + j] += scratch[j]
    if vector.at != NOWHERE:
        for j in range(J):
            arena[vector.at + j] = scratch[j]


@part_jit
def _weights(arena, src, dy, weights, window, scratch, panel, y, rows):
    """What some rows of dy add to the gradient of one panel."""
    C, J, row, j = src.channels, dy.channels, pitch(src), panel * LANES
    k, stride, shift = window.k, window.stride, window.shift
    b0, brow, narrow = pixel(dy, y, 0) + j, pitch(dy), J - j <= VECTOR
    height = 2 * ROWS if narrow else ROWS
    for c in range(0, C, height):
        for tap in range(k * k):
            a0 = src.at + (stride * y + shift + tap // k) * row + (shift + tap % k) * C + c
            c0 = window.weight + ((panel * k * k + tap) * C + c) * LANES
            whole = c + height <= C  # else what lies behind the last channel is another tap's
            sums, s0 = (weights, c0) if whole else (scratch, 0)
            if not whole:
                scratch[: height * LANES] = 0
            if narrow:
                narrow_runs_tile(arena, a0, stride * row, stride * C, 1, arena, b0, brow, J,
                                 sums, s0, LANES, sums, s0, LANES, rows, dy.width)  # fmt: skip
            else:
                runs_tile(arena, a0, stride * row, stride * C, 1, arena, b0, brow, J,
                          sums, s0, LANES, sums, s0, LANES, rows, dy.width)  # fmt: skip
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
