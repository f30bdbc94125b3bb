"""The U-Net's forward pass and training step: the twin of `networks/unet/definition.py`.

Each worker takes a sample, or a few, through all the calls of the plan, forward and backward, before the next: their
images stay in the cache, and weights that do not are fetched once for all of them (`workspace.at_a_time`).  The
gradients of a batch are summed in fixed groups of samples, each by one worker and in order, and then over a tree
(`kernels.groups`): so they are the same for any number of threads.  Samples that are fewer than the workers are taken
by all of these together, each a share of every call.  A step whose weights are many beside its samples takes
another order of the same calls (`together`).
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import inline_jit, jit, part_jit
from numpy_diffusion.kernels.groups import Groups, merge, total
from numpy_diffusion.kernels.layers import images
from numpy_diffusion.kernels.layers.images import Worker, image
from numpy_diffusion.kernels.threads import address_of, address_on_threads, call, keep, kept, on_threads, run, share
from numpy_diffusion.kernels.unet import dispatch
from numpy_diffusion.kernels.unet.calls import NONE, CallKind
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.unet.rounding import round_weights
from numpy_diffusion.kernels.unet.workspace import Batch, Told, kept_buffers

FIRST, ONE = np.int64(0), np.int64(1)  # of one worker: a plain 0 and 1 would be types of their own, compiled anew


class Ends(NamedTuple):
    """Rows of the images of what comes in and goes out; see `calls.Plan`."""

    x: int
    embedding: int
    told: int
    states: int
    eps: int
    deps: int
    dtold: int
    dstates: int
    penalty: int


class Prediction(NamedTuple):
    """A forward pass, as all threads are told of it; see `predict`."""

    forward: int  # addresses of `dispatch.forward`, `transformer` and `rounded`
    transformer: int
    rounded: int
    calls: np.ndarray
    ends: Ends
    tokens: np.ndarray
    weights: np.ndarray
    words: np.ndarray  # the weights in bfloat16, of a plan with them
    x: np.ndarray
    embedding: np.ndarray
    place: np.ndarray
    told: Told
    arenas: np.ndarray  # [threads, numbers]; one, where there are fewer samples than threads
    scratch: np.ndarray  # [threads, numbers]
    tables: np.ndarray  # [arenas, samples at a time, images]
    eps: np.ndarray


@jit
def _samples(thread, threads, place):
    """One thread's samples, as many as each of the others has."""
    job = kept(place)
    worker, tables = Worker(job.arenas[thread], job.scratch[thread], FIRST, ONE), job.tables[thread]
    low, high = share(job.x.shape[0] // threads * threads, thread, threads)
    for first in range(low, high, tables.shape[0]):
        last = min(first + tables.shape[0], high)
        _enter(job, worker.arena, tables, first, last)
        for k in range(job.calls.shape[0]):
            used, labels = tables[: last - first], job.told.labels[first:last]
            call(_kernel(job, k), (job.calls[k], used, worker, job.weights, job.words, labels))
        for n in range(first, last):
            images.store(worker.arena, image(tables[n - first], job.ends.eps), job.eps[n])


@inline_jit
def _kernel(job, k):
    """The address of the kernel that makes a call."""
    kind = job.calls[k]["kind"]
    if kind >= CallKind.ROUND:
        return job.rounded
    return job.forward if kind < CallKind.LAYER_NORM else job.transformer


@jit
def _enter(job, arena, tables, first, last):
    """Take samples first..last - 1 into the arena, each by its table."""
    for n in range(first, last):
        step = job.embedding[job.place[n]]
        dispatch.enter(job.ends, job.tokens, tables[n - first], arena, job.x[n], step, job.told, n)


class SharedCall(NamedTuple):
    """One call for some samples, to which all threads go."""

    job: Prediction
    first: int
    last: int
    call: int


@jit
def _shared_call(thread, threads, place):
    """One thread's share of the call."""
    job, first, last, k = kept(place)
    worker = Worker(job.arenas[0], job.scratch[thread], thread, threads)
    tables, labels = job.tables[0][: last - first], job.told.labels[first:last]
    call(_kernel(job, k), (job.calls[k], tables, worker, job.weights, job.words, labels))


@jit
def _predict(samples, shared_call, threads, job):
    """All samples: an equal number by each thread, and the others by all threads together, a few at a time."""
    arena, tables, N = job.arenas[0], job.tables[0], job.x.shape[0]
    if threads <= N:
        on_threads(samples, threads, keep(job))
    for first in range(N // threads * threads, N, tables.shape[0]):
        last = min(first + tables.shape[0], N)
        _enter(job, arena, tables, first, last)
        for k in range(job.calls.shape[0]):
            on_threads(shared_call, threads, keep(SharedCall(job, first, last, k)))
        for n in range(first, last):
            images.store(arena, image(tables[n - first], job.ends.eps), job.eps[n])


def _ends(plan):
    return Ends(*(getattr(plan, name) for name in Ends._fields))


def _transformer(plan, *given):
    """The address of `dispatch.transformer`, or of `bottleneck`, compiled if the plan has a call for it."""
    kinds = plan.calls["kind"]
    last = kinds[kinds < CallKind.ROUND].max()
    if last < CallKind.LAYER_NORM:
        return 0
    return address_of(dispatch.transformer if last < CallKind.SAMPLE else dispatch.bottleneck, *given)


def _rounded(plan, *given):
    """The address of `dispatch.rounded`, compiled if the plan has a call for it."""
    return address_of(dispatch.rounded, *given) if plan.calls["kind"].max() >= CallKind.ROUND else 0


def predict(plan, weights, x, embedding, place, told, words=None):
    """eps [N, J, R, S] of x [N, C, H, W]; embedding [K, E] of the steps, place [N] which of them each sample has.

    words : the weights in bfloat16, of a plan with them
    """
    words = weights if words is None else words
    arenas, scratch, tables = kept_buffers(plan, len(weights), get_num_threads(), len(x))
    sizes = (plan.images[plan.eps][name] for name in ("channels", "height", "width"))
    eps = np.empty((x.shape[0], *sizes), np.float32)
    given = plan.calls[0], tables[0], Worker(arenas[0], scratch[0], 0, 1), weights, words, told.labels
    addresses = address_of(dispatch.forward, *given), _transformer(plan, *given), _rounded(plan, *given)
    parts = plan.calls, _ends(plan), plan.tokens, weights, words, x, embedding, place, told
    job = Prediction(*addresses, *parts, arenas, scratch, tables, eps)
    shared = address_on_threads(_shared_call, SharedCall(job, 0, 0, 0))
    _predict(address_on_threads(_samples, job), shared, len(scratch), job)
    return eps


class Training(NamedTuple):
    """The gradient of a batch, as all threads are told of it; see `gradient`."""

    forward: int  # addresses of `dispatch.forward`, `backward`, `transformer`, `rounded`, `rounded_back` and `leave`
    back: int
    transformer: int
    rounded: int
    rounded_back: int
    leave: int
    calls: np.ndarray
    backward: int
    ends: Ends
    tokens: np.ndarray
    weights: np.ndarray
    turned: np.ndarray
    words: np.ndarray
    batch: Batch
    told: Told
    dropout: float
    key: tuple[int, ...]
    step: int
    arenas: np.ndarray  # [threads, numbers]
    scratch: np.ndarray  # [threads, numbers]
    tables: np.ndarray  # [threads, samples at a time, images]
    groups: Groups  # with the gradients' sums, which come out
    losses: np.ndarray  # [N], likewise
    dvectors: np.ndarray  # [N, E], likewise
    dstates: np.ndarray  # [N, L, D], likewise


@jit
def _gradients(thread, threads, place):
    """One thread's groups: the losses of their samples, and the gradient of the batch's mean."""
    job = kept(place)
    worker = Worker(job.arenas[thread], job.scratch[thread], FIRST, ONE)
    groups = job.groups
    begin, end = share(groups.rows.shape[0], thread, threads)
    for group in range(begin, end):
        gradients, high = groups.sums[groups.rows[group]], groups.bounds[group + 1]
        gradients[:] = 0
        for first in range(groups.bounds[group], high, job.tables.shape[1]):
            last = min(first + job.tables.shape[1], high)
            _there_and_back(job, worker, job.tables[thread][: last - first], gradients, first, last)
        merge(groups.sums, groups.rows[group], groups.merges[group])


@jit
def _there_and_back(job, worker, tables, gradients, first, last):
    """Samples first..last - 1 through all calls: their losses, and what they add to the gradients of their group."""
    enter_samples(job, worker.arena, tables, first, last)
    for k in range(job.calls.shape[0]):
        one_call(job, worker, tables, gradients, k, first, last)
    leave_samples(job, worker.arena, tables, first, last)


@part_jit
def enter_samples(job, arena, tables, first, last):
    """Take samples first..last - 1 into the arena."""
    batch = job.batch
    for n in range(first, last):
        dispatch.enter(job.ends, job.tokens, tables[n - first], arena, batch.x[n], batch.embedding[n], job.told, n)


@part_jit
def one_call(job, worker, tables, gradients, k, first, last):
    """Call k for samples first..last - 1; after the last one there, their losses."""
    calls, arena, batch, labels = job.calls, worker.arena, job.batch, job.told.labels[first:last]
    kind = calls[k]["kind"]
    if kind == CallKind.DROPOUT:
        for n in range(first, last):
            dispatch.dropout(calls[k], tables[n - first], arena, job.dropout, job.key, batch.first + n, job.step)
    elif kind == CallKind.ROUNDED_CONV_WEIGHTS:
        call(job.rounded_back, (calls[k], tables, worker, job.weights, gradients, labels))
    elif kind >= CallKind.ROUND:
        used = job.turned if calls[k]["turned"] else job.weights
        call(job.rounded, (calls[k], tables, worker, used, job.words, labels))
    elif kind < CallKind.LAYER_NORM and (k < job.backward or kind == CallKind.CONV):
        call(job.forward, (calls[k], tables, worker, job.weights, job.turned, labels))
    else:
        address = job.back if kind < CallKind.LAYER_NORM else job.transformer
        call(address, (calls[k], tables, worker, job.weights, gradients, labels))
    if k == job.backward - 1:
        for n in range(first, last):
            job.losses[n] = dispatch.loss(arena, tables[n - first], job.ends, batch, n)


@part_jit
def leave_samples(job, arena, tables, first, last):
    """The gradients by what samples first..last - 1 were told, where somebody asks."""
    if job.ends.dstates != NONE:
        for n in range(first, last):
            given = job.told.mask[n], job.dvectors[n], job.dstates[n]
            call(job.leave, (job.ends, tables[n - first], arena, *given))


def gradient(plan, layout, work, parameters, batch, told, dropout, key, step):
    """The losses [N] and what they add to the gradient [P] of the whole batch's mean, in buffers of `work` that the
    next call overwrites.

    Those by vectors and states are written to `work.dvectors` and `work.dstates`, where the plan has them.

    Parameters
    ----------
    batch, told : a `workspace.Batch`, and what its samples are told
    dropout : its probability
    key : the two words of the seed, and the stream of dropout
    """
    pack(parameters, layout.weights, work.weights)
    pack(parameters, layout.turned, work.turned)
    if plan.words:
        round_weights(work.weights, plan.rounding, work.words, work.turned)
    job = training(plan, work, plan.calls, batch, told, dropout, key, step)
    run(_gradients, job, threads=len(work.arenas))
    unpack(total(work.groups), layout.weights, work.flat)
    return work.losses, work.flat


def training(plan, work, calls, batch, told, dropout, key, step):
    """What all threads are told of a step, with these calls of the plan; see `gradient`."""
    key = tuple(np.uint32(word) for word in key)
    worker, row = Worker(work.arenas[0], work.scratch[0], 0, 1), work.groups.sums[0]
    given = plan.calls[0], work.tables[0], worker, work.weights
    forward = address_of(dispatch.forward, *given, work.turned, told.labels)
    back = address_of(dispatch.backward, *given, row, told.labels)
    rounded = _rounded(plan, *given, work.words, told.labels)
    rounded_back = address_of(dispatch.rounded_back, *given, row, told.labels) if rounded else 0
    ends, of_told = _ends(plan), (row, told.mask[0], work.dvectors[0], work.dstates[0])
    leave = 0 if plan.dstates == NONE else address_of(dispatch.leave, ends, work.tables[0, 0], *of_told)
    addresses = forward, back, _transformer(plan, *given, row, told.labels), rounded, rounded_back, leave
    buffers = work.arenas, work.scratch, work.tables, work.groups, work.losses, work.dvectors, work.dstates
    weights = work.weights, work.turned, work.words
    shown = batch, told, dropout, key, step
    return Training(*addresses, calls, plan.backward, ends, plan.tokens, *weights, *shown, *buffers)
