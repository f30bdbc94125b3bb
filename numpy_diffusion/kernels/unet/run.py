"""The U-Net's forward pass and training step: the twin of `networks/unet.py`.

Each worker takes a sample through all the calls of the plan, forward and backward, before the next: its images stay
in the cache.  The gradients of a batch are summed in GROUPS fixed groups of samples, each by one worker and in
order, then group by group: so they are the same for any number of threads.  Samples that are fewer than the workers
are taken by all of these together, each a share of every image's rows.
"""

import threading
from typing import NamedTuple

import numpy as np
from numba import get_num_threads, prange

from numpy_diffusion.kernels._jit import jit, parallel_jit
from numpy_diffusion.kernels.layers import attention, conv, group_norm, images, resample, winograd
from numpy_diffusion.kernels.layers.images import AT, CHANNELS, clear_border, pixel, share
from numpy_diffusion.kernels.loss import bound_term
from numpy_diffusion.kernels.memory import aligned, round_up
from numpy_diffusion.kernels.unet.calls import (
    ATTENTION,
    ATTENTION_BACK,
    CLASS,
    CLASS_BACK,
    CONV,
    CONV_WEIGHTS,
    DROPOUT,
    IMAGES,
    JOIN,
    NORM,
    NORM_BACK,
    PART,
    SILU,
    SILU_BACK,
    SPREAD,
    STATISTICS,
    UPSAMPLE,
    UPSAMPLE_BACK,
)
from numpy_diffusion.noise import NUMBER_SHIFT

BLOCK = 4096  # numbers that stay in a core's first cache while the groups are added round_up
GROUPS = 4, 8  # of samples, in a batch below and from 64: so many gradients are kept, and so many threads can work


@jit
def _call(call, table, arena, weights, turned, norm_eps, label, scratch, part, parts):
    """One forward call, or one of the backward pass that is a forward one's twin: this part's share of it."""
    kind, a, b, c, d = call[0], table[call[1]], table[call[2]], table[call[3]], table[call[4]]
    n = call[1 + IMAGES :]
    if kind == CONV:
        matrix = turned if n[6] else weights
        conv.forward(arena, a, b, matrix, n[0], n[1], n[2], n[3], n[4], n[5], c[AT], d, scratch, part, parts)
    elif kind == NORM:
        group_norm.forward(arena, a, b, c[AT], weights, n[0], n[1], n[2], n[3] != 0, scratch, part, parts)
    elif kind == JOIN:
        resample.join(arena, a, b, n[0], part, parts)
    elif kind == UPSAMPLE:
        resample.upsample(arena, a, b, part, parts)
    elif kind == ATTENTION:
        attention.forward(arena, a, b, c, d, n[0], scratch, part, parts)
    elif part == 0 and kind == STATISTICS:
        group_norm.statistics(arena, a, b[AT], n[0], norm_eps, scratch)
    elif part == 0 and kind == SILU:
        resample.silu(arena, a, b)
    elif part == 0 and kind == CLASS:
        width = a[CHANNELS]
        first = n[0] + label * width
        arena[a[AT] : a[AT] + width] = weights[first : first + width]


@jit
def _call_back(call, table, arena, weights, gradients, label, scratch):
    """One call of the backward pass."""
    kind, a, b, c, d = call[0], table[call[1]], table[call[2]], table[call[3]], table[call[4]]
    n = call[1 + IMAGES :]
    if kind == CONV_WEIGHTS:
        conv.backward(arena, a, b, gradients, n[0], n[1], n[2], n[3], n[4], n[5] != 0, c[AT], scratch)
    elif kind == SPREAD:
        resample.spread(arena, a, b, n[0])
    elif kind == NORM_BACK:
        group_norm.backward(
            arena, a, b, c, d[AT], weights, gradients, n[0], n[1], n[2], n[3] != 0, n[4] != 0, scratch
        )
    elif kind == SILU_BACK:
        resample.silu_backward(arena, a, b, c, n[0] != 0)
    elif kind == PART:
        resample.part_off(arena, a, b, n[0], n[1] != 0)
    elif kind == UPSAMPLE_BACK:
        resample.upsample_backward(arena, a, b, n[0] != 0)
    elif kind == ATTENTION_BACK:
        do, dq, dk, dv = table[call[5]], table[call[6]], table[call[7]], table[call[8]]
        attention.backward(arena, a, b, c, d, do, dq, dk, dv, table[call[9]][AT], n[0], scratch)
    elif kind == CLASS_BACK:
        width = a[CHANNELS]
        first = n[0] + label * width
        for i in range(width):
            gradients[first + i] += arena[a[AT] + i]


@jit
def _drop(call, table, arena, probability, key, sample, step):
    """A dropout, there or back; its stream is that of `layers/dropout.py`."""
    stream = key[2] | call[1 + IMAGES] << NUMBER_SHIFT
    resample.dropout(arena, table[call[1]], table[call[2]], probability, key, stream, sample, step)


@jit
def _enter(table, x_row, embedding_row, arena, x, embedding):
    images.load(arena, table[x_row], x)
    at = table[embedding_row, AT]
    arena[at : at + embedding.shape[0]] = embedding


@parallel_jit
def _predict(calls, table, ends, weights, norm_eps, x, embedding, place, labels, arenas, scratch, eps):
    """eps [N, J, H, W] from x [N, C, H, W], the rows `place` [N] of the embedding [K, E] and labels [N]."""
    workers, N = arenas.shape[0], x.shape[0]
    even = N // workers * workers
    for worker in prange(workers):
        for n in range(worker * even // workers, (worker + 1) * even // workers):
            _enter(table, ends[0], ends[1], arenas[worker], x[n], embedding[place[n]])
            for k in range(calls.shape[0]):
                _call(calls[k], table, arenas[worker], weights, weights, norm_eps, labels[n], scratch[worker], 0, 1)
            images.store(arenas[worker], table[ends[2]], eps[n])
    for n in range(even, N):
        _enter(table, ends[0], ends[1], arenas[0], x[n], embedding[place[n]])
        for k in range(calls.shape[0]):
            for worker in prange(workers):
                _call(
                    calls[k],
                    table,
                    arenas[0],
                    weights,
                    weights,
                    norm_eps,
                    labels[n],
                    scratch[worker],
                    worker,
                    workers,
                )
        images.store(arenas[0], table[ends[2]], eps[n])


def predict(plan, weights, norm_eps, x, embedding, place, labels, out_channels):
    """eps of images x [N, C, H, W]; embedding [K, E] of the steps, place [N] which of them each sample has."""
    workers = get_num_threads()
    arenas, scratch = _kept_rooms(plan, workers)
    eps = np.empty((x.shape[0], out_channels, *x.shape[2:]), np.float32)
    ends = np.array([plan.x, plan.embedding, plan.eps])
    _predict(plan.calls, plan.images, ends, weights, norm_eps, x, embedding, place, labels, arenas, scratch, eps)
    return eps


_kept = threading.local()


def _kept_rooms(plan, workers):
    """Arenas and scratch of the network that this thread ran last: made anew they cost one image half its time."""
    known = getattr(_kept, "rooms", None)
    if known is None or known[0] is not plan or known[1] != workers:
        _kept.rooms = known = plan, workers, _room(workers, plan.arena), _room(workers, plan.scratch)
    return known[2:]


@parallel_jit
def _gradient(calls, backward, table, ends, weights, turned, norm_eps, batch, dropout, key, step, arenas, scratch,
              gradients, losses):  # fmt: skip
    """The losses [N] of a batch, and the gradient of their mean, one row of `gradients` a group of samples."""
    x, embedding, labels, eps, weighting, bound = batch
    workers, groups = arenas.shape[0], gradients.shape[0]
    for worker in prange(workers):
        arena, own = arenas[worker], scratch[worker]
        low, high = share(groups, worker, workers)
        for group in range(low, high):
            gradients[group] = 0
            first, last = share(x.shape[0], group, groups)
            for n in range(first, last):
                _enter(table, ends[0], ends[1], arena, x[n], embedding[n])
                for k in range(backward):
                    if calls[k, 0] == DROPOUT:
                        _drop(calls[k], table, arena, dropout, key, n, step)
                    else:
                        _call(calls[k], table, arena, weights, turned, norm_eps, labels[n], own, 0, 1)
                outputs, slopes = table[ends[2]], table[ends[3]]
                losses[n] = _loss(arena, outputs, slopes, eps[n], weighting[n], bound[n], x.shape[0])
                for k in range(backward, calls.shape[0]):
                    if calls[k, 0] == DROPOUT:
                        _drop(calls[k], table, arena, dropout, key, n, step)
                    elif calls[k, 0] == CONV:
                        _call(calls[k], table, arena, weights, turned, norm_eps, labels[n], own, 0, 1)
                    else:
                        _call_back(calls[k], table, arena, weights, gradients[group], labels[n], own)


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
                if outputs[CHANNELS] > C:
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


@parallel_jit
def _gather(workers, numbers, source, target):
    """target[i] = numbers[source[i]], and 0 where that is behind their end."""
    for worker in prange(workers):
        low, high = share(source.shape[0], worker, workers)
        for i in range(low, high):
            target[i] = numbers[source[i]] if source[i] < numbers.shape[0] else np.float32(0)


@parallel_jit
def _transform(workers, weights, squares):
    for worker in prange(workers):
        for row in range(squares.shape[0]):
            w0, u0, C, J = squares[row]
            winograd.transform(weights, w0, u0, C, J, worker, workers)


def lay_out(parameters, side, target):
    """Write the parameters [P] to target [side.size] as the kernels read them; side: a `unet_plan.Side`."""
    _gather(get_num_threads(), parameters, side.source, target)
    _transform(get_num_threads(), target, side.squares)


class Workspace(NamedTuple):
    """The buffers of a training step, made once."""

    arenas: np.ndarray  # [workers, numbers]
    scratch: np.ndarray  # [workers, numbers]
    weights: np.ndarray
    turned: np.ndarray
    gradients: np.ndarray  # [groups, numbers]
    total: np.ndarray
    flat: np.ndarray  # [P]
    losses: np.ndarray  # [N]


def workspace(plan, layout, batch):
    """The buffers for batches of this size."""
    groups = min(batch, GROUPS[batch >= 64])
    workers, numbers = min(get_num_threads(), groups), len(layout.weights.source)
    return Workspace(
        arenas=_room(workers, plan.arena),
        scratch=_room(workers, plan.scratch),
        weights=aligned(layout.weights.size),
        turned=aligned(layout.turned.size),
        gradients=aligned(groups * numbers).reshape(groups, numbers),
        total=aligned(numbers),
        flat=np.empty(len(layout.place), np.float32),
        losses=np.empty(batch, np.float32),
    )


def gradient(plan, layout, work, parameters, norm_eps, batch, dropout, key, step):
    """The losses [N] and their mean's gradient [P], in buffers of `work` that the next call overwrites.

    Parameters
    ----------
    batch : x [N, C, H, W], embedding [N, E], labels [N], eps like x, lambda [N], rows [N, 6] of `losses.bound_table`
    dropout : its probability
    key : the two words of the seed, and the stream of dropout
    """
    ends = np.array([plan.x, plan.embedding, plan.eps, plan.deps])
    key = tuple(np.uint32(word) for word in key)
    lay_out(parameters, layout.weights, work.weights)
    lay_out(parameters, layout.turned, work.turned)
    _gradient(plan.calls, plan.backward, plan.images, ends, work.weights, work.turned, norm_eps, batch, dropout, key,
              step, work.arenas, work.scratch, work.gradients, work.losses)  # fmt: skip
    _sum(get_num_threads(), work.gradients, work.total)
    _gather(get_num_threads(), work.total, layout.place, work.flat)
    return work.losses, work.flat


def _room(workers, size):
    """Float32 [workers, size filled up], each row on a cache line of its own."""
    size = round_up(size, 16)
    return aligned(workers * size).reshape(workers, size)
