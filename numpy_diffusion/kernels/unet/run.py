"""The U-Net's forward pass and training step: the twin of `networks/unet/definition.py`.

Each worker takes a sample through all the calls of the plan, forward and backward, before the next: its images stay
in the cache.  The gradients of a batch are summed in fixed groups of samples (`workspace.GROUPS`), each by one worker
and in order, then group by group: so they are the same for any number of threads.  Samples that are fewer than the
workers are taken by all of these together, each a share of every image's rows.
"""

import numpy as np
from numba import get_num_threads, prange

from numpy_diffusion.kernels._jit import inline_jit, jit, parallel_jit
from numpy_diffusion.kernels.layers import attention, conv, group_norm, images, resample
from numpy_diffusion.kernels.layers.images import Worker, clear_border, image, pixel, share
from numpy_diffusion.kernels.loss import bound_term
from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.unet.workspace import kept_buffers
from numpy_diffusion.noise import NUMBER_SHIFT

BLOCK = 4096  # numbers that stay in a core's first cache while the groups' gradients are added up


@inline_jit
def _window(call):
    return conv.Window(call["weight"], call["squares"], call["bias"], call["window"], call["stride"], call["shift"])


@inline_jit
def _norm(call):
    return group_norm.Norm(call["weight"], call["bias"], call["groups"], call["silu"] != 0)


@jit
def _call(call, table, worker, weights, turned, norm_eps, label):
    """One forward call, or one of the backward pass that is a forward one's twin: this worker's share of it."""
    kind, arena, src, dst = call["kind"], worker.arena, image(table, call["src"]), image(table, call["dst"])
    if kind == CallKind.CONV:
        vector, residual = image(table, call["vector"]), image(table, call["residual"])
        conv.forward(worker, src, dst, turned if call["turned"] else weights, _window(call), vector, residual)
    elif kind == CallKind.NORM:
        group_norm.forward(worker, src, dst, image(table, call["stats"]).at, weights, _norm(call))
    elif kind == CallKind.CONCAT:
        resample.concat(worker, src, dst, call["channel"])
    elif kind == CallKind.UPSAMPLE:
        resample.upsample(worker, src, dst)
    elif kind == CallKind.ATTENTION:
        q, k, v = image(table, call["q"]), image(table, call["k"]), image(table, call["v"])
        attention.forward(worker, q, k, v, image(table, call["o"]), call["heads"])
    elif worker.part == 0 and kind == CallKind.STATISTICS:
        group_norm.statistics(worker, src, image(table, call["stats"]).at, call["groups"], norm_eps)
    elif worker.part == 0 and kind == CallKind.SILU:
        resample.silu(arena, src, dst)
    elif worker.part == 0 and kind == CallKind.CLASS:
        first = call["weight"] + label * dst.channels
        for i in range(dst.channels):
            arena[dst.at + i] = weights[first + i]


@jit
def _call_back(call, table, worker, weights, gradients, label):
    """One call of the backward pass."""
    kind, arena, src, dst = call["kind"], worker.arena, image(table, call["src"]), image(table, call["dst"])
    dy, dx, add = image(table, call["dy"]), image(table, call["dx"]), call["add"] != 0
    if kind == CallKind.CONV_WEIGHTS:
        conv.backward(worker, src, dy, gradients, _window(call), image(table, call["vector"]))
    elif kind == CallKind.DILATE:
        resample.dilate(arena, src, dst, call["shift"])
    elif kind == CallKind.NORM_BACK:
        stats = image(table, call["stats"]).at
        group_norm.backward(worker, src, dy, dx, stats, weights, gradients, _norm(call), add)
    elif kind == CallKind.SILU_BACK:
        resample.silu_backward(arena, src, dy, dx, add)
    elif kind == CallKind.SLICE:
        resample.slice_channels(arena, src, dst, call["channel"], add)
    elif kind == CallKind.UPSAMPLE_BACK:
        resample.upsample_backward(arena, dy, dx, add)
    elif kind == CallKind.ATTENTION_BACK:
        q, k, v, o = (
            image(table, call["q"]),
            image(table, call["k"]),
            image(table, call["v"]),
            image(table, call["o"]),
        )
        dq, dk, dv = image(table, call["dq"]), image(table, call["dk"]), image(table, call["dv"])
        do, matrices = image(table, call["do"]), image(table, call["matrices"]).at
        attention.backward(worker, q, k, v, o, do, dq, dk, dv, matrices, call["heads"])
    elif kind == CallKind.CLASS_BACK:
        first = call["weight"] + label * dy.channels
        for i in range(dy.channels):
            gradients[first + i] += arena[dy.at + i]


@jit
def _drop(call, table, arena, probability, key, sample, step):
    """A dropout, there or back; its stream is that of `layers/dropout.py`."""
    stream = key[2] | call["number"] << NUMBER_SHIFT
    src, dst = image(table, call["src"]), image(table, call["dst"])
    resample.dropout(arena, src, dst, probability, key, stream, sample, step)


@jit
def _enter(table, x_row, embedding_row, arena, x, embedding):
    images.load(arena, image(table, x_row), x)
    at = image(table, embedding_row).at
    for i in range(embedding.shape[0]):
        arena[at + i] = embedding[i]


@parallel_jit
def _predict(calls, table, ends, weights, norm_eps, x, embedding, place, labels, arenas, scratch, eps):
    """eps [N, J, H, W] from x [N, C, H, W], the rows `place` [N] of the embedding [K, E] and labels [N]."""
    x_row, embedding_row, eps_row = ends
    workers, N = arenas.shape[0], x.shape[0]
    even = N // workers * workers
    for thread in prange(workers):
        worker = Worker(arenas[thread], scratch[thread], 0, 1)
        for n in range(thread * even // workers, (thread + 1) * even // workers):
            _enter(table, x_row, embedding_row, worker.arena, x[n], embedding[place[n]])
            for k in range(calls.shape[0]):
                _call(calls[k], table, worker, weights, weights, norm_eps, labels[n])
            images.store(worker.arena, image(table, eps_row), eps[n])
    for n in range(even, N):
        _enter(table, x_row, embedding_row, arenas[0], x[n], embedding[place[n]])
        for k in range(calls.shape[0]):
            for thread in prange(workers):
                worker = Worker(arenas[0], scratch[thread], thread, workers)
                _call(calls[k], table, worker, weights, weights, norm_eps, labels[n])
        images.store(arenas[0], image(table, eps_row), eps[n])


def predict(plan, weights, norm_eps, x, embedding, place, labels, out_channels):
    """eps of images x [N, C, H, W]; embedding [K, E] of the steps, place [N] which of them each sample has."""
    arenas, scratch = kept_buffers(plan, get_num_threads())
    eps = np.empty((x.shape[0], out_channels, *x.shape[2:]), np.float32)
    ends = plan.x, plan.embedding, plan.eps
    _predict(plan.calls, plan.images, ends, weights, norm_eps, x, embedding, place, labels, arenas, scratch, eps)
    return eps


@parallel_jit
def _gradient(calls, backward, table, ends, weights, turned, norm_eps, batch, dropout, key, step, arenas, scratch,
              gradients, losses):  # fmt: skip
    """The losses [N] of a batch, and the gradient of their mean, one row of `gradients` a group of samples."""
    x, embedding, labels, eps, weighting, bound = batch
    x_row, embedding_row, eps_row, deps_row = ends
    workers, groups = arenas.shape[0], gradients.shape[0]
    for thread in prange(workers):
        worker = Worker(arenas[thread], scratch[thread], 0, 1)
        arena = worker.arena
        low, high = share(groups, thread, workers)
        for group in range(low, high):
            gradients[group] = 0
            first, last = share(x.shape[0], group, groups)
            for n in range(first, last):
                _enter(table, x_row, embedding_row, arena, x[n], embedding[n])
                for k in range(backward):
                    if calls[k]["kind"] == CallKind.DROPOUT:
                        _drop(calls[k], table, arena, dropout, key, n, step)
                    else:
                        _call(calls[k], table, worker, weights, turned, norm_eps, labels[n])
                outputs, slopes = image(table, eps_row), image(table, deps_row)
                losses[n] = _loss(arena, outputs, slopes, eps[n], weighting[n], bound[n], x.shape[0])
                for k in range(backward, calls.shape[0]):
                    if calls[k]["kind"] == CallKind.DROPOUT:
                        _drop(calls[k], table, arena, dropout, key, n, step)
                    elif calls[k]["kind"] == CallKind.CONV:
                        _call(calls[k], table, worker, weights, turned, norm_eps, labels[n])
                    else:
                        _call_back(calls[k], table, worker, weights, gradients[group], labels[n])


@jit
def _loss(arena, outputs, slopes, eps, weight, bound, batch):
    """One sample's loss as in `losses`, and the gradient of the batch's mean by its outputs."""
    C, H, W = eps.shape
    size, total = np.float32(C * H * W), np.float32(0)
    for y in range(H):
        for x in range(W):
            at, to = pixel(outputs, y, x), pixel(slopes, y, x)
            for c in range(C):
                error = arena[at + c] - eps[c, y, x]
                total += weight * error * error
                arena[to + c] = np.float32(2) * weight * error / (np.float32(batch) * size)
                if outputs.channels > C:
                    term, slope = bound_term(bound, arena[at + C + c], error)
                    total += term
                    arena[to + C + c] = slope / (np.float32(batch) * size)
    clear_border(arena, slopes)
    return total / size


@parallel_jit
def _sum(workers, gradients, total):
    """total = the sum of the groups' gradients."""
    for worker in prange(workers):
        low, high = share(total.shape[0], worker, workers)
        for start in range(low, high, BLOCK):
            block = total[start : min(start + BLOCK, high)]
            block[:] = 0
            for group in range(gradients.shape[0]):
                values = gradients[group, start : start + BLOCK]
                for i in range(block.shape[0]):
                    block[i] += values[i]


def gradient(plan, layout, work, parameters, norm_eps, batch, dropout, key, step):
    """The losses [N] and their mean's gradient [P], in buffers of `work` that the next call overwrites.

    Parameters
    ----------
    batch : a `workspace.Batch`
    dropout : its probability
    key : the two words of the seed, and the stream of dropout
    """
    ends = plan.x, plan.embedding, plan.eps, plan.deps
    key = tuple(np.uint32(word) for word in key)
    pack(parameters, layout.weights, work.weights)
    pack(parameters, layout.turned, work.turned)
    _gradient(plan.calls, plan.backward, plan.images, ends, work.weights, work.turned, norm_eps, batch, dropout, key,
              step, work.arenas, work.scratch, work.gradients, work.losses)  # fmt: skip
    _sum(get_num_threads(), work.gradients, work.total)
    unpack(work.total, layout.place, work.flat)
    return work.losses, work.flat
