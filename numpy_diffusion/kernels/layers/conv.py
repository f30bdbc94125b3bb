"""Convolution on the SIMD tile: the twin of `layers/conv.py`; a linear layer is one of 1 x 1 on one pixel.

y[p, j] = bias[j] + sum over the window's rows r and its runs k of x[p, r, k] W[r, k, j]

Weights are panels of LANES output channels, [panel, window row, window column, input channel, lane], and so are
their gradients.  The gradient by x is a convolution of dy with the weights turned by half a turn (`turned`); for a
stride of 2, of dy with zeros between its pixels (`resample.dilate`).
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from numpy_diffusion.kernels._jit import inline_jit, part_jit
from numpy_diffusion.kernels.layers import conv_weights, linear, squares, winograd
from numpy_diffusion.kernels.layers.images import (
    NOWHERE,
    SAMPLES,
    Image,
    channel_sums,
    channel_sums_size,
    clear_border,
    copy_or_add,
    image,
    pitch,
    pixel,
)
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import share
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, VECTOR
from numpy_diffusion.kernels.vector.runs import narrow_runs_tile, runs_tile, two_rows_tile

FIRST_CACHE = 8192  # numbers that are sure to stay there


class Window(NamedTuple):
    """A convolution's numbers: where its parts start among the weights, and how its window moves."""

    weight: int
    squares: int  # 1: the gradient by the weights goes by squares of 2 x 2 pixels, the rounded convolution of 4 x 4
    bias: int  # NOWHERE: none
    k: int  # the window has k x k pixels
    stride: int
    shift: int  # rows and columns of the bordered image before the first window


class Scratch(NamedTuple):
    """Where a forward pass keeps what in its scratch; a tile comes first."""

    start: int  # what each output channel starts from, by sample: bias and vector
    squares: int  # what `squares.forward` needs


@register_jitable
def forward_scratch(J):
    """The scratch of a forward pass of J output channels."""
    return Scratch(ROWS * LANES, ROWS * LANES + SAMPLES * round_up(J, LANES))


def scratch_size(C, J):
    """Numbers of scratch that a convolution from C to J channels needs."""
    return forward_scratch(J).squares + squares.scratch_size(C)


def backward_scratch_size(C, J, width):
    """Numbers of scratch that the gradient by its weights and bias needs, with outputs of this width."""
    return max(conv_weights.scratch_for(width, J).end, winograd.scratch_size(C), channel_sums_size(width, J))


@part_jit
def forward(worker, tables, src, dst, weights, window, vector, residual):
    """dst = conv(src) + bias (+ vector, one number a channel) (+ residual, an image like dst); the worker's rows.

    tables : a table of images for each sample, at most SAMPLES
    src, dst, vector, residual : rows of them; that of `NO_IMAGE` where there is none
    """
    place = forward_scratch(image(tables[0], dst).channels)
    begin(worker, tables, dst, weights, window.bias, vector)
    if squares.suits(window.k, window.stride, image(tables[0], src).channels, image(tables[0], dst)):
        squares.forward(worker, tables, src, dst, weights, window, place.start, place.squares, residual)
    elif linear.suits(window, image(tables[0], src), image(tables[0], dst)):
        linear.forward(worker, tables, src, dst, weights, window, place.start, residual)
    else:
        _by_pixels(worker, tables, src, dst, weights, window)
        add_rows(worker, tables, dst, residual)
    clear_borders(worker, tables, dst)


@part_jit
def begin(worker, tables, dst, weights, bias, vector):
    """Write what each output channel starts from, by sample, to the scratch at `forward_scratch(J).start`: its number
    of the bias and of the vector, round_up(J, LANES) of them."""
    arena, scratch, J = worker.arena, worker.scratch, image(tables[0], dst).channels
    first, apart = forward_scratch(J).start, round_up(J, LANES)
    for n in range(tables.shape[0]):
        start = scratch[first + n * apart : first + (n + 1) * apart]
        start[:] = 0
        if bias != NOWHERE:
            for j in range(J):
                start[j] = weights[bias + j]
        added = image(tables[n], vector).at
        if added != NOWHERE:
            for j in range(J):
                start[j] += arena[added + j]


@part_jit
def add_rows(worker, tables, dst, residual):
    """dst += the image `residual`, where there is one; the worker's rows."""
    for n in range(tables.shape[0]):
        into, other = image(tables[n], dst), image(tables[n], residual)
        low, high = share(into.height, worker.part, worker.parts)
        if other.at != NOWHERE:
            for y in range(low, high):
                copy_or_add(worker.arena, pixel(other, y, 0), pixel(into, y, 0), into.width * into.channels, True)


@inline_jit
def clear_borders(worker, tables, dst):
    """The borders of all samples' images, which are one worker's."""
    if worker.part == 0:
        for n in range(tables.shape[0]):
            clear_border(worker.arena, image(tables[n], dst))


@part_jit
def _by_pixels(worker, tables, src, dst, weights, window):
    """The convolution by the definition's sums: panel by panel, each for all samples while its weights are in the
    first cache; or row by row, where it is the row that fits, or all weights do."""
    samples, first = tables.shape[0], image(tables[0], dst)
    C, J = image(tables[0], src).channels, first.channels
    low, high = share(first.height, worker.part, worker.parts)
    panels = round_up(J, LANES) // LANES
    flat = window.k == 1 and window.stride == 1 and image(tables[0], src).border == first.border == 0
    flat = flat and first.width < LANES
    all_stay = window.k == 1 and C * J <= FIRST_CACHE
    by_rows = window.k == 1 and not flat and (first.width >= LANES or all_stay)
    blocks = high - low if by_rows else 1
    apart = round_up(J, LANES)
    for i in range(panels * samples * blocks):
        if by_rows or all_stay:
            panel, n, y = i % panels, i // (panels * blocks), low + i // panels % blocks
        else:
            panel, n, y = i // samples, i % samples, low
        end, start = y + 1 if by_rows else high, forward_scratch(J).start + n * apart
        source, into = image(tables[n], src), image(tables[n], dst)
        if flat:  # a tile then has pixels of several rows
            source, into, y, end = _in_a_row(source, y, end), _in_a_row(into, y, end), 0, min(1, end - y)
        _panel(worker.arena, source, into, weights, window, worker.scratch, start, panel, y, end)


@inline_jit
def _in_a_row(image, low, high):
    """Some rows of an image without a border, one behind the other."""
    return Image(pixel(image, low, 0), 1, (high - low) * image.width, image.channels, 0)


@part_jit
def _panel(arena, src, dst, weights, window, scratch, start, panel, low, high):
    """LANES output channels of some rows, which begin with scratch[start...]."""
    C, J, row, j = src.channels, dst.channels, pitch(src), panel * LANES
    k, stride, start = window.k, window.stride, start + j
    b0, depth, channels = window.weight + panel * k * k * C * LANES, k * C, min(LANES, J - j)
    origin, half = src.at + window.shift * (row + C), ROWS // 2
    narrow, two_rows = channels <= VECTOR, channels > VECTOR and dst.width <= half
    height, width = (2 * ROWS, VECTOR) if narrow else (half if two_rows else ROWS, LANES)
    rows = 2 if two_rows else 1
    for y in range(low, high, rows):
        for x in range(0, dst.width, height):
            a0, c0 = origin + stride * (y * row + x * C), pixel(dst, y, x) + j
            whole = channels == LANES and x + height <= dst.width and y + rows <= high
            to, at, apart, below = (arena, c0, J, pitch(dst)) if whole else (scratch, 0, width, height * width)
            if two_rows:
                two_rows_tile(arena, a0, row, 1, stride * C, stride * row, weights, b0, depth * LANES, LANES,
                              scratch, start, to, at, apart, below, k, depth)  # fmt: skip
            elif narrow:
                narrow_runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                                 scratch, start, 0, to, at, apart, k, depth)  # fmt: skip
            else:
                runs_tile(arena, a0, row, 1, stride * C, weights, b0, depth * LANES, LANES,
                          scratch, start, 0, to, at, apart, k, depth)  # fmt: skip
            if not whole:
                for r in range(min(rows, high - y)):
                    for i in range(min(height, dst.width - x)):
                        for n in range(channels):
                            arena[c0 + r * pitch(dst) + i * J + n] = scratch[(r * height + i) * width + n]


@part_jit
def backward(worker, tables, src, dy, weights, window, vector):
    """Add the gradient by the weights and the bias to theirs; as both functions below."""
    backward_weights(worker, tables, src, dy, weights, window)
    backward_bias(worker, tables, dy, weights, window, vector)


@part_jit
def backward_weights(worker, tables, src, dy, weights, window):
    """Add the gradient by the weights to theirs, sample by sample; the worker's panels.

    `weights` is the gradient's array, laid out as the weights are;  tables : as above
    """
    if window.squares:
        winograd.backward(worker, tables, src, dy, weights, window)
    else:
        conv_weights.add(worker, tables, src, dy, weights, window)


@part_jit
def backward_bias(worker, tables, dy, weights, window, vector):
    """Add the gradient by the bias to its own, sample by sample; it is also written to the vector of each."""
    arena, scratch, J = worker.arena, worker.scratch, image(tables[0], dy).channels
    for n in range(tables.shape[0]):
        channel_sums(arena, image(tables[n], dy), scratch)
        if window.bias != NOWHERE:
            for j in range(J):
                weights[window.bias + j] += scratch[j]
        at = image(tables[n], vector).at
        if at != NOWHERE:
            for j in range(J):
                arena[at + j] = scratch[j]


def panels(weight, fill=0):
    """[J, C, k, k] as the kernel reads it, flat: panels, the last filled up with `fill`."""
    J, C, k, _ = weight.shape
    filled = np.full((round_up(J, LANES), C, k, k), fill, weight.dtype)
    filled[:J] = weight
    return filled.reshape(-1, LANES, C, k, k).transpose(0, 3, 4, 2, 1).ravel()


def turned(weight, fill=0):
    """The weights [J, C, k, k] of the convolution that leads from dy back to dx, as the kernel reads them."""
    return panels(weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3), fill)
