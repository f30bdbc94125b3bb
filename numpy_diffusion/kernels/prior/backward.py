"""The prior's backward pass for a few samples at a time, and their losses."""

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import attention, conv, gelu, layer_norm, resample
from numpy_diffusion.kernels.layers.images import NO_IMAGE, copy_or_add
from numpy_diffusion.kernels.prior.forward import of_block, sample_of
from numpy_diffusion.kernels.prior.places import EXTRA, WEIGHT, End, Part, as_table, linear, norm, rows, turned


@jit
def to_weights(worker, src, dy, gradients, row):
    """Add the gradient by a linear layer's weight and bias to theirs."""
    conv.backward(worker, as_table(src, dy, NO_IMAGE), 1, 2, gradients, linear(row), 0)


@jit
def to_input(worker, dy, dx, weights, row, residual):
    """dx = the gradient by a linear layer's input (+ residual), by its turned weights."""
    conv.forward(worker, as_table(dy, dx, residual), 1, 2, weights, turned(row), 0, 3)


@jit
def losses(places, arena, target, weighting, first, count, total, found):
    """The losses of the samples, and the gradient of their mean over `total` samples, at places.dout."""
    D = target.shape[1]
    for n in range(count):
        sample, error_sum = first + n, np.float32(0)
        out, slopes = places.out + n * D, places.dout + n * D
        for i in range(D):
            error = arena[out + i] - target[sample, i]
            error_sum += weighting[sample] * error * error
            arena[slopes + i] = np.float32(2) * weighting[sample] * error / (np.float32(total) * np.float32(D))
        found[sample] = error_sum / np.float32(D)


@jit
def from_last(network, places, worker, weights, turned_weights, gradients, count):
    """From places.dout to the gradient by what the last block gave, at places.dlast."""
    last, normed = rows(places.last, count, network.width), rows(places.last_out, count, network.width)
    dout, dnormed = rows(places.dout, count, network.dim), rows(places.dfirst, count, network.width)
    row = network.ends[End.OUT]
    to_weights(worker, normed, dout, gradients, row)
    to_input(worker, dout, dnormed, turned_weights, row, NO_IMAGE)
    dlast = rows(places.dlast, count, network.width)
    layer_norm.backward(worker, last, dnormed, dlast, weights, gradients, norm(network.ends[End.LAST]), False)


@jit
def block(network, places, worker, tokens, weights, turned_weights, gradients, count, number):
    """One block: from the gradient by what it gave, at places.dh or dlast, to that by what came in, at places.dh."""
    W, table, own = network.width, network.blocks[number], of_block(places, number)
    last, all_tokens = number == network.blocks.shape[0] - 1, tokens.starts[count]
    asking = count if last else all_tokens
    dy, dnormed3 = rows(places.dlast if last else places.dh, asking, W), rows(places.dfirst, asking, W)
    _linears_back(network, places, worker, weights, turned_weights, gradients, number, asking, dy, dnormed3)
    dq, dk, dv = rows(places.dq, asking, W), rows(places.dk, all_tokens, W), rows(places.dv, all_tokens, W)
    for n in range(count):
        q = rows(own.q + n * W, 1, W) if last else sample_of(own.q, tokens, n, W)
        o = rows(own.o + n * W, 1, W) if last else sample_of(own.o, tokens, n, W)
        do = rows(places.do + n * W, 1, W) if last else sample_of(places.do, tokens, n, W)
        to = rows(places.dq + n * W, 1, W) if last else sample_of(places.dq, tokens, n, W)
        keys, values = sample_of(own.k, tokens, n, W), sample_of(own.v, tokens, n, W)
        dkeys, dvalues = sample_of(places.dk, tokens, n, W), sample_of(places.dv, tokens, n, W)
        attention.backward(worker, q, keys, values, o, do, to, dkeys, dvalues, places.matrices, network.heads,
                           not last)  # fmt: skip
    h, normed = rows(own.h, all_tokens, W), rows(own.normed, all_tokens, W)
    asked = rows(places.last_normed if last else own.normed, asking, W)
    to_weights(worker, asked, dq, gradients, table[Part.Q])
    to_weights(worker, normed, dk, gradients, table[Part.K])
    to_weights(worker, normed, dv, gradients, table[Part.V])
    first, second = rows(places.dfirst, all_tokens, W), rows(places.dsecond, all_tokens, W)
    to_input(worker, dv, first, turned_weights, table[Part.V], NO_IMAGE)
    to_input(worker, dk, second, turned_weights, table[Part.K], first)
    arena = worker.arena
    if last:  # its queries are of the last tokens, and so is what went around it
        to_input(worker, dq, rows(places.do, count, W), turned_weights, table[Part.Q], NO_IMAGE)
        arena[places.dh : places.dh + all_tokens * W] = 0
        for n in range(count):
            token = (tokens.starts[n + 1] - 1) * W
            copy_or_add(arena, places.do + n * W, places.dsecond + token, W, True)
            copy_or_add(arena, places.dlast + n * W, places.dh + token, W, False)
    else:
        to_input(worker, dq, first, turned_weights, table[Part.Q], second)
    dnormed = second if last else first
    dh = rows(places.dh, all_tokens, W)
    layer_norm.backward(worker, h, dnormed, dh, weights, gradients, norm(table[Part.NORM1]), True)


@jit
def _linears_back(network, places, worker, weights, turned_weights, gradients, number, asking, dy, dnormed3):
    """Through the block's two linear layers and the one behind the attention, to places.do, the gradient by what the
    attention gave; dy becomes that by what came out of the linear layer behind it."""
    W, table, own = network.width, network.blocks[number], of_block(places, number)
    wide, active = rows(own.wide, asking, 4 * W), rows(own.active, asking, 4 * W)
    dwide, dactive = rows(places.dwide, asking, 4 * W), rows(places.dactive, asking, 4 * W)
    to_weights(worker, active, dy, gradients, table[Part.NARROW])
    to_input(worker, dy, dactive, turned_weights, table[Part.NARROW], NO_IMAGE)
    gelu.backward(worker.arena, wide, dactive, dwide)
    to_weights(worker, rows(own.normed3, asking, W), dwide, gradients, table[Part.WIDEN])
    to_input(worker, dwide, dnormed3, turned_weights, table[Part.WIDEN], NO_IMAGE)
    between = rows(own.between, asking, W)
    layer_norm.backward(worker, between, dnormed3, dy, weights, gradients, norm(table[Part.NORM3]), True)
    to_weights(worker, rows(own.o, asking, W), dy, gradients, table[Part.OUT])
    to_input(worker, dy, rows(places.do, asking, W), turned_weights, table[Part.OUT], NO_IMAGE)


@jit
def embed(network, places, worker, tokens, turned_weights, gradients, count):
    """From the gradient by the tokens, at places.dh, to that by all that made them."""
    arena, W, ends, dh = worker.arena, network.width, network.ends, places.dh
    for token in range(tokens.starts[count]):
        _add(arena, dh + token * W, W, gradients, ends[End.PLACES, WEIGHT] + tokens.spots[token] * W)
    at = places.dfirst
    for n in range(count):
        end = tokens.starts[n + 1]
        for token in range(tokens.starts[n], end - EXTRA):
            copy_or_add(arena, dh + token * W, at, W, False)
            at += W
        own = n * W
        copy_or_add(arena, dh + (end - 4) * W, places.dq + own, W, False)
        copy_or_add(arena, dh + (end - 3) * W, places.dk + own, W, False)
        copy_or_add(arena, dh + (end - 2) * W, places.dv + own, W, False)
        _add(arena, dh + (end - 1) * W, W, gradients, ends[End.ASKED, WEIGHT])
    states = tokens.starts[count] - EXTRA * count
    dtext, dstep, dnoised = rows(places.dq, count, W), rows(places.dk, count, W), rows(places.dv, count, W)
    to_weights(worker, rows(places.states, states, network.dim), rows(places.dfirst, states, W), gradients,
               ends[End.STATES])  # fmt: skip
    to_weights(worker, rows(places.text, count, network.text), dtext, gradients, ends[End.TEXT])
    to_weights(worker, rows(places.noised, count, network.dim), dnoised, gradients, ends[End.NOISED])
    to_weights(worker, rows(places.active_step, count, network.step), dstep, gradients, ends[End.STEP_2])
    to_input(worker, dstep, rows(places.dactive, count, network.step), turned_weights, ends[End.STEP_2], NO_IMAGE)
    numbers = count * network.step
    slopes, results = rows(places.dactive, 1, numbers), rows(places.dwide, 1, numbers)
    resample.silu_backward(arena, rows(places.step, 1, numbers), slopes, results, False)
    dstep_1 = rows(places.dwide, count, network.step)
    to_weights(worker, rows(places.sinusoid, count, W), dstep_1, gradients, ends[End.STEP_1])


@jit
def _add(arena, at, n, gradients, to):
    """gradients[to...] += arena[at...]."""
    values, sums = arena[at : at + n], gradients[to : to + n]
    for i in range(n):
        sums[i] += values[i]
