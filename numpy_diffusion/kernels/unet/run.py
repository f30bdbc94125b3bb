"""The U-Net's forward pass and training step: the twin of `networks/unet/definition.py`.

Each worker takes a sample through all the calls of the plan, forward and backward, before the next: its images stay
in the cache.  The gradients of a batch are summed in fixed groups of samples (`workspace.GROUPS`), each by one worker
and in order, then group by group: so they are the same for any number of threads.  Samples that are fewer than the
workers are taken by all of these together, each a share of every image's rows.
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import images
from numpy_diffusion.kernels.layers.images import Worker, clear_border, image, pixel
from numpy_diffusion.kernels.loss import bound_term
from numpy_diffusion.kernels.threads import address_of, address_on_threads, call, keep, kept, on_threads, run, share
from numpy_diffusion.kernels.unet import dispatch
from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.unet.workspace import Batch, kept_buffers

FIRST, ONE = np.int64(0), np.int64(1)  # of one worker: a plain 0 and 1 would be types of their own, compiled anew
BLOCK = 4096  # numbers that stay in a core's first cache while the groups' gradients are added up


class Prediction(NamedTuple):
    """A forward pass, as all threads are told of it; see `predict`."""

    forward: int  # address of `dispatch.forward`
    calls: np.ndarray
    images: np.ndarray
    ends: tuple[int, ...]  # rows of x, of the embedding and of eps among the images
    weights: np.ndarray
    norm_eps: float
    x: np.ndarray
    embedding: np.ndarray
    place: np.ndarray
    labels: np.ndarray
    arenas: np.ndarray  # [threads, numbers]
    scratch: np.ndarray  # [threads, numbers]
    eps: np.ndarray


@jit
def _samples(thread, threads, place):
    """One thread's samples, as many as each of the others has."""
    job = kept(place)
    x_row, embedding_row, eps_row = job.ends
    worker = Worker(job.arenas[thread], job.scratch[thread], FIRST, ONE)
    low, high = share(job.x.shape[0] // threads * threads, thread, threads)
    for n in range(low, high):
        dispatch.enter(job.images, x_row, embedding_row, worker.arena, job.x[n], job.embedding[job.place[n]])
        for k in range(job.calls.shape[0]):
            parts = job.calls[k], job.images, worker, job.weights, job.weights, job.norm_eps, job.labels[n]
            call(job.forward, parts)
        images.store(worker.arena, image(job.images, eps_row), job.eps[n])


class SharedCall(NamedTuple):
    """One call for one sample, to which all threads go."""

    job: Prediction
    sample: int
    call: int


@jit
def _shared_call(thread, threads, place):
    """One thread's share of the rows."""
    job, n, k = kept(place)
    worker = Worker(job.arenas[0], job.scratch[thread], thread, threads)
    call(job.forward, (job.calls[k], job.images, worker, job.weights, job.weights, job.norm_eps, job.labels[n]))


@jit
def _predict(samples, shared_call, threads, job):
    """All samples: an equal number by each thread, and the others one by one by all threads together."""
    on_threads(samples, threads, keep(job))
    x_row, embedding_row, eps_row = job.ends
    arena, N = job.arenas[0], job.x.shape[0]
    for n in range(N // threads * threads, N):
        dispatch.enter(job.images, x_row, embedding_row, arena, job.x[n], job.embedding[job.place[n]])
        for k in range(job.calls.shape[0]):
            on_threads(shared_call, threads, keep(SharedCall(job, n, k)))
        images.store(arena, image(job.images, eps_row), job.eps[n])


def predict(plan, weights, norm_eps, x, embedding, place, labels, out_channels):
    """eps of images x [N, C, H, W]; embedding [K, E] of the steps, place [N] which of them each sample has."""
    arenas, scratch = kept_buffers(plan, get_num_threads())
    eps = np.empty((x.shape[0], out_channels, *x.shape[2:]), np.float32)
    ends = plan.x, plan.embedding, plan.eps
    worker = Worker(arenas[0], scratch[0], 0, 1)
    forward = address_of(dispatch.forward, plan.calls[0], plan.images, worker, weights, weights, norm_eps, 0)
    parts = plan.calls, plan.images, ends, weights, norm_eps, x, embedding, place, labels, arenas, scratch, eps
    job = Prediction(forward, *parts)
    shared = address_on_threads(_shared_call, SharedCall(job, 0, 0))
    _predict(address_on_threads(_samples, job), shared, len(arenas), job)
    return eps


class Training(NamedTuple):
    """The gradient of a batch, as all threads are told of it; see `gradient`."""

    forward: int  # addresses of `dispatch.forward` and `backward`
    back: int
    calls: np.ndarray
    backward: int
    images: np.ndarray
    ends: tuple[int, ...]  # rows of x, of the embedding, of eps and of the gradient by it among the images
    weights: np.ndarray
    turned: np.ndarray
    norm_eps: float
    batch: Batch
    dropout: float
    key: tuple[int, ...]
    step: int
    arenas: np.ndarray  # [threads, numbers]
    scratch: np.ndarray  # [threads, numbers]
    gradients: np.ndarray  # what comes out: a row a group of samples
    losses: np.ndarray  # [N], likewise


@jit
def _gradients(thread, threads, place):
    """One thread's groups: the losses of their samples, and the gradient of the batch's mean."""
    job = kept(place)
    worker = Worker(job.arenas[thread], job.scratch[thread], FIRST, ONE)
    groups = job.gradients.shape[0]
    low, high = share(groups, thread, threads)
    for group in range(low, high):
        job.gradients[group] = 0
        first, last = share(job.batch.x.shape[0], group, groups)
        for n in range(first, last):
            _there_and_back(job, worker, job.gradients[group], n)


@jit
def _there_and_back(job, worker, gradients, n):
    """One sample through all calls: its loss, and what it adds to the gradients of its group."""
    calls, table, arena, label = job.calls, job.images, worker.arena, job.batch.labels[n]
    x_row, embedding_row, eps_row, deps_row = job.ends
    dispatch.enter(table, x_row, embedding_row, arena, job.batch.x[n], job.batch.embedding[n])
    for k in range(calls.shape[0]):
        if k == job.backward:
            job.losses[n] = _loss(arena, image(table, eps_row), image(table, deps_row), job.batch, n)
        kind = calls[k]["kind"]
        if kind == CallKind.DROPOUT:
            dispatch.dropout(calls[k], table, arena, job.dropout, job.key, n, job.step)
        elif k < job.backward or kind == CallKind.CONV:
            call(job.forward, (calls[k], table, worker, job.weights, job.turned, job.norm_eps, label))
        else:
            call(job.back, (calls[k], table, worker, job.weights, gradients, label))


@jit
def _loss(arena, outputs, slopes, batch, n):
    """One sample's loss as in `losses`, and the gradient of the batch's mean by its outputs."""
    eps, weight, bound, N = batch.eps[n], batch.weighting[n], batch.bound[n], batch.x.shape[0]
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
    return total / size


class Sum(NamedTuple):
    """total = the sum of the groups' gradients, in their order."""

    gradients: np.ndarray
    total: np.ndarray


@jit
def _sum(thread, threads, place):
    gradients, total = kept(place)
    low, high = share(total.shape[0], thread, threads)
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
    worker, row = Worker(work.arenas[0], work.scratch[0], 0, 1), work.gradients[0]
    given = plan.calls[0], plan.images, worker, work.weights
    forward = address_of(dispatch.forward, *given, work.turned, norm_eps, 0)
    back = address_of(dispatch.backward, *given, row, 0)
    parts = plan.calls, plan.backward, plan.images, ends, work.weights, work.turned, norm_eps, batch
    job = Training(forward, back, *parts, dropout, key, step, work.arenas, work.scratch, work.gradients, work.losses)
    run(_gradients, job, threads=len(work.arenas))
    run(_sum, Sum(work.gradients, work.total))
    unpack(work.total, layout.place, work.flat)
    return work.losses, work.flat
