"""What each kind of call does, there and back: a row of the plan's table becomes a call of a layer's kernel."""

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.layers import (
    attention,
    attention_blocks,
    bfloat16_attention,
    bfloat16_conv,
    conv,
    diagonal_gaussian,
    geglu,
    group_norm,
    images,
    layer_norm,
    quick_gelu,
    resample,
)
from numpy_diffusion.kernels.layers.images import clear_border, image, pixel
from numpy_diffusion.kernels.loss import bound_term
from numpy_diffusion.kernels.unet.calls import NONE, CallKind
from numpy_diffusion.noise import NUMBER_SHIFT


@inline_jit
def _window(row):
    return conv.Window(row["weight"], row["squares"], row["bias"], row["window"], row["stride"], row["shift"])


@inline_jit
def _norm(row, table):
    scale = image(table, row["vector"]).at
    return group_norm.Norm(row["weight"], row["bias"], row["groups"], row["silu"] != 0, scale)


@jit
def forward(row, tables, worker, weights, turned, labels):
    """One forward call, or one of the backward pass that is a forward one's twin, for some samples: this worker's
    share of it.

    tables : a table of images for each sample;  labels : of each
    """
    if row["kind"] == CallKind.CONV:
        used, vector, residual = turned if row["turned"] else weights, row["vector"], row["residual"]
        conv.forward(worker, tables, row["src"], row["dst"], used, _window(row), vector, residual)
    else:
        for n in range(tables.shape[0]):
            _forward(row, tables[n], worker, weights, labels[n])


@part_jit
def _forward(row, table, worker, weights, label):
    """One forward call for one sample, except a convolution."""
    kind, arena, src, dst = row["kind"], worker.arena, image(table, row["src"]), image(table, row["dst"])
    if kind == CallKind.NORM:
        group_norm.forward(worker, src, dst, image(table, row["stats"]).at, weights, _norm(row, table))
    elif kind == CallKind.CONCAT:
        resample.concat(worker, src, dst, row["channel"])
    elif kind == CallKind.UPSAMPLE:
        resample.upsample(worker, src, dst)
    elif kind == CallKind.AVERAGE:
        resample.average(worker, src, dst)
    elif kind == CallKind.ATTENTION:
        q, k, v = image(table, row["q"]), image(table, row["k"]), image(table, row["v"])
        attention_blocks.forward(worker, q, k, v, image(table, row["o"]), row["heads"], row["causal"] != 0)
    elif kind == CallKind.STATISTICS:
        group_norm.statistics(worker, src, image(table, row["stats"]).at, row["groups"], row["eps"])
    elif worker.part == 0 and kind == CallKind.SILU:
        resample.silu(arena, src, dst)
    elif worker.part == 0 and kind == CallKind.CLASS:
        first = row["weight"] + label * dst.channels
        for i in range(dst.channels):
            arena[dst.at + i] = weights[first + i]


@jit
def backward(row, tables, worker, weights, gradients, labels):
    """One call of the backward pass, for some samples; of a gradient by weights, this worker's panels."""
    if row["kind"] == CallKind.CONV_WEIGHTS:
        conv.backward_weights(worker, tables, row["src"], row["dy"], gradients, _window(row))
    elif row["kind"] == CallKind.CONV_BIAS:
        conv.backward_bias(worker, tables, row["dy"], gradients, _window(row), row["vector"])
    else:
        for n in range(tables.shape[0]):
            _backward(row, tables[n], worker, weights, gradients, labels[n])


@part_jit
def _backward(row, table, worker, weights, gradients, label):
    """One call of the backward pass for one sample, except the gradient by a convolution's weights."""
    kind, arena, src, dst = row["kind"], worker.arena, image(table, row["src"]), image(table, row["dst"])
    dy, dx, add = image(table, row["dy"]), image(table, row["dx"]), row["add"] != 0
    if kind == CallKind.DILATE:
        resample.dilate(arena, src, dst, row["shift"])
    elif kind == CallKind.NORM_BACK:
        stats, dscale = image(table, row["stats"]).at, image(table, row["dvector"]).at
        group_norm.backward(worker, src, dy, dx, stats, weights, gradients, _norm(row, table), add, dscale)
    elif kind == CallKind.SILU_BACK:
        resample.silu_backward(arena, src, dy, dx, add)
    elif kind == CallKind.SLICE:
        resample.slice_channels(arena, src, dst, row["channel"], add)
    elif kind == CallKind.UPSAMPLE_BACK:
        resample.upsample_backward(arena, dy, dx, add)
    elif kind == CallKind.AVERAGE_BACK:
        resample.average_backward(arena, dy, dx, add)
    elif kind == CallKind.ATTENTION_BACK:
        q, k, v, o = (
            image(table, row["q"]),
            image(table, row["k"]),
            image(table, row["v"]),
            image(table, row["o"]),
        )
        dq, dk, dv = image(table, row["dq"]), image(table, row["dk"]), image(table, row["dv"])
        do, matrices = image(table, row["do"]), image(table, row["matrices"]).at
        attention.backward(worker, q, k, v, o, do, dq, dk, dv, matrices, row["heads"], row["causal"] != 0)
    elif kind == CallKind.CLASS_BACK:
        first = row["weight"] + label * dy.channels
        for i in range(dy.channels):
            gradients[first + i] += arena[dy.at + i]


@jit
def transformer(row, tables, worker, weights, gradients, labels):
    """One call of those that only a transformer has, or another network that attends to states, there or back.

    A function of its own, that a network without need not compile; called as the others are.
    """
    kind, norm = row["kind"], layer_norm.Norm(row["weight"], row["bias"], row["eps"])
    for n in range(tables.shape[0]):
        src, dst = image(tables[n], row["src"]), image(tables[n], row["dst"])
        dy, dx = image(tables[n], row["dy"]), image(tables[n], row["dx"])
        if kind == CallKind.LAYER_NORM:
            layer_norm.forward(worker, src, dst, weights, norm)
        elif kind == CallKind.LAYER_NORM_BACK:
            layer_norm.backward(worker, src, dy, dx, weights, gradients, norm, row["add"] != 0)
        elif kind == CallKind.GEGLU:
            geglu.forward(worker, src, dst)
        elif kind == CallKind.GEGLU_BACK:
            geglu.backward(worker.arena, src, dy, dx)
        elif kind == CallKind.PIXELS and worker.part == 0:
            size = images.size(src.height, src.width, src.channels, src.border)
            images.copy_or_add(worker.arena, src.at, dst.at + row["channel"], size, False)
        elif kind == CallKind.PIXELS_BACK:
            size = images.size(dx.height, dx.width, dx.channels, dx.border)
            images.copy_or_add(worker.arena, dy.at + row["channel"], dx.at, size, False)


@jit
def rounded(row, tables, worker, weights, words, labels):
    """One forward call of those that only a plan in bfloat16 has; a function of its own as `transformer` is.

    words : the rounded weights
    """
    if row["kind"] == CallKind.ROUNDED_CONV:
        src, dst, vector, residual = row["src"], row["dst"], row["vector"], row["residual"]
        bfloat16_conv.forward(worker, tables, src, dst, weights, words, _window(row), vector, residual)
    elif row["kind"] == CallKind.ROUND:
        for n in range(tables.shape[0]):
            bfloat16_conv.round_image(worker, image(tables[n], row["src"]), image(tables[n], row["dst"]))
    elif row["kind"] == CallKind.ROUNDED_ATTENTION:
        for n in range(tables.shape[0]):
            q, k, v = image(tables[n], row["q"]), image(tables[n], row["k"]), image(tables[n], row["v"])
            bfloat16_attention.forward(worker, q, k, v, image(tables[n], row["o"]), row["heads"])


@jit
def rounded_back(row, tables, worker, weights, gradients, labels):
    """One call of the backward pass of those that only a plan in bfloat16 has; a function of its own likewise."""
    if row["kind"] == CallKind.ROUNDED_CONV_WEIGHTS:
        bfloat16_conv.backward_weights(worker, tables, row["src"], row["dy"], gradients, _window(row))


@jit
def bottleneck(row, tables, worker, weights, gradients, labels):
    """One call of those that only an autoencoder has, there or back; a function of its own as `transformer` is."""
    kind, factor = row["kind"], row["factor"]
    for n in range(tables.shape[0]):
        moments, noise = image(tables[n], row["src"]), image(tables[n], row["residual"])
        if kind == CallKind.SAMPLE:
            z, divergence = image(tables[n], row["dst"]), image(tables[n], row["stats"])
            diagonal_gaussian.forward(worker.arena, moments, noise, z, divergence, factor)
        elif kind == CallKind.SAMPLE_BACK:
            dz, dmoments = image(tables[n], row["dy"]), image(tables[n], row["dx"])
            diagonal_gaussian.backward(worker.arena, moments, noise, dz, dmoments, factor)


@jit
def encoder(row, tables, worker, weights, gradients, labels):
    """One call of those that only CLIP's encoders have, there or back; a function of its own as `transformer` is."""
    kind = row["kind"]
    for n in range(tables.shape[0]):
        src, dst = image(tables[n], row["src"]), image(tables[n], row["dst"])
        dy, dx = image(tables[n], row["dy"]), image(tables[n], row["dx"])
        if kind == CallKind.QUICK_GELU:
            quick_gelu.forward(worker, src, dst)
        elif kind == CallKind.QUICK_GELU_BACK:
            quick_gelu.backward(worker.arena, src, dy, dx)
        elif kind == CallKind.LAST:
            resample.last_pixel(worker.arena, src, dst)
        elif kind == CallKind.LAST_BACK:
            resample.last_pixel_backward(worker.arena, dy, dx, row["add"] != 0)


@jit
def dropout(row, table, arena, probability, key, sample, step):
    """A dropout, there or back; its stream is that of `layers/dropout.py`."""
    stream = key[2] | row["number"] << NUMBER_SHIFT
    src, dst = image(table, row["src"]), image(table, row["dst"])
    resample.dropout(arena, src, dst, probability, key, stream, sample, step)


@jit
def enter(ends, tokens, table, arena, x, embedding, told, n):
    """Take sample n into the arena: x [C, H, W], the embedding of its step [E], and what it is told.

    Of its states only those that are there are taken, and `tokens`, the rows of images that go by them, become as
    wide as these are many and the pixels that they have besides.
    """
    images.load(arena, image(table, ends.x), x)
    _copy(arena, image(table, ends.embedding).at, embedding)
    _copy(arena, image(table, ends.told).at, told.vectors[n])
    at, count, D = image(table, ends.states).at, 0, told.states.shape[2]
    for token in range(told.mask.shape[1]):
        if told.mask[n, token]:
            _copy(arena, at + count * D, told.states[n, token])
            count += 1
    for k in range(tokens.shape[0]):
        table[tokens[k, 0]]["width"] = tokens[k, 1] + count


@jit
def loss(arena, table, ends, batch, n):
    """One sample's loss as in `losses`, and the gradient of the batch's mean by its outputs."""
    outputs, slopes = image(table, ends.eps), image(table, ends.deps)
    eps, weight, bound, N = batch.eps[n], batch.weighting[n], batch.bound[n], batch.size
    C, H, W = eps.shape
    size, total = np.float32(C * H * W), np.float32(0)
    for y in range(H):
        for x in range(W):
            at, to = pixel(outputs, y, x), pixel(slopes, y, x)
            for c in range(C):
                error = arena[at + c] - eps[c, y, x]
                total += weight * error * error
                arena[to + c] = np.float32(2) * weight * error / (np.float32(N) * size)
                if outputs.channels > C:
                    term, slope = bound_term(bound, arena[at + C + c], error)
                    total += term
                    arena[to + C + c] = slope / (np.float32(N) * size)
    clear_border(arena, slopes)
    penalty = np.float32(0) if ends.penalty == NONE else arena[image(table, ends.penalty).at]
    return total / size + penalty


@jit
def leave(ends, table, arena, mask, dvector, dstates):
    """The gradients by a sample's vector [E] and states [L, D] from the arena; 0 by states that were not there."""
    at = image(table, ends.dtold).at
    for i in range(dvector.shape[0]):
        dvector[i] = arena[at + i]
    at, count, D = image(table, ends.dstates).at, 0, dstates.shape[1]
    for token in range(dstates.shape[0]):
        here = mask[token]
        for i in range(D):
            dstates[token, i] = arena[at + count * D + i] if here else np.float32(0)
        count += here


@jit
def _copy(arena, at, values):
    for i in range(values.shape[0]):
        arena[at + i] = values[i]
