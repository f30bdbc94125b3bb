"""The prior's samples spread over threads: its outputs, and the gradient of a batch.

The gradients of a batch are summed in fixed groups of samples, each by one worker and in order, and then over a tree
(`kernels.groups`): so they are the same for any number of threads.
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.groups import Groups, groups, merge, total
from numpy_diffusion.kernels.layers.images import Worker
from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.prior import backward, forward
from numpy_diffusion.kernels.prior.forward import Shown, Tokens
from numpy_diffusion.kernels.prior.places import EXTRA, TOGETHER, Network, Places
from numpy_diffusion.kernels.threads import kept, run, share
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.unet.run import FIRST, ONE
from numpy_diffusion.kernels.unet.workspace import for_each


class Buffers(NamedTuple):
    """What the workers work in."""

    arenas: np.ndarray  # float32 [workers, numbers]
    scratch: np.ndarray  # float32 [workers, numbers]
    starts: np.ndarray  # see `forward.Tokens`, for each worker
    spots: np.ndarray


def buffers(places, length, workers):
    """Those for texts of up to `length` states."""
    spots = np.zeros((workers, TOGETHER * (length + EXTRA)), np.int64)
    starts = np.zeros((workers, TOGETHER + 1), np.int64)
    return Buffers(for_each(workers, places.arena), for_each(workers, places.scratch), starts, spots)


class Prediction(NamedTuple):
    """A forward pass, as all threads are told of it."""

    network: Network
    places: Places
    weights: np.ndarray
    shown: Shown
    buffers: Buffers
    outputs: np.ndarray  # [N, D], what comes out


@jit
def _samples(thread, threads, place):
    """One thread's samples, a few at a time."""
    job = kept(place)
    own, N, D = job.buffers, job.outputs.shape[0], job.network.dim
    worker = Worker(own.arenas[thread], own.scratch[thread], FIRST, ONE)
    tokens = Tokens(own.starts[thread], own.spots[thread])
    low, high = share(N, thread, threads)
    for first in range(low, high, TOGETHER):
        count = min(TOGETHER, high - first)
        forward.predict(job.network, job.places, worker, tokens, job.weights, job.shown, first, count)
        for n in range(count):
            for i in range(D):
                job.outputs[first + n, i] = worker.arena[job.places.out + n * D + i]


def predict(network, places, weights, shown):
    """z_0 [N, D] of the samples."""
    N, length = shown.mask.shape
    workers = min(get_num_threads(), N)
    outputs = np.empty((N, network.dim), np.float32)
    run(_samples, Prediction(network, places, weights, shown, buffers(places, length, workers), outputs), workers)
    return outputs


class Training(NamedTuple):
    """The gradient of a batch, as all threads are told of it."""

    network: Network
    places: Places
    weights: np.ndarray
    turned: np.ndarray
    shown: Shown
    target: np.ndarray  # [N, D]
    weighting: np.ndarray  # lambda of each sample's step [N]
    buffers: Buffers
    groups: Groups  # with the gradients' sums, which come out
    losses: np.ndarray  # [N], likewise
    size: int  # samples of the whole batch


@jit
def _groups(thread, threads, place):
    """One thread's groups: the losses of their samples, and the gradient of the batch's mean."""
    job = kept(place)
    own, groups = job.buffers, job.groups
    worker = Worker(own.arenas[thread], own.scratch[thread], FIRST, ONE)
    tokens = Tokens(own.starts[thread], own.spots[thread])
    low, high = share(groups.rows.shape[0], thread, threads)
    for group in range(low, high):
        gradients, end = groups.sums[groups.rows[group]], groups.bounds[group + 1]
        gradients[:] = 0
        for first in range(groups.bounds[group], end, TOGETHER):
            _there_and_back(job, worker, tokens, gradients, first, min(TOGETHER, end - first))
        merge(groups.sums, groups.rows[group], groups.merges[group])


@jit
def _there_and_back(job, worker, tokens, gradients, first, count):
    """A few samples: their losses, and what they add to the gradients of their group."""
    network, places, weights, turned = job.network, job.places, job.weights, job.turned
    forward.predict(network, places, worker, tokens, weights, job.shown, first, count)
    backward.losses(places, worker.arena, job.target, job.weighting, first, count, job.size, job.losses)
    backward.from_last(network, places, worker, weights, turned, gradients, count)
    for number in range(network.blocks.shape[0] - 1, -1, -1):
        backward.block(network, places, worker, tokens, weights, turned, gradients, count, number)
    backward.embed(network, places, worker, tokens, turned, gradients, count)


class Workspace(NamedTuple):
    """The buffers of a training step, made once."""

    buffers: Buffers
    weights: np.ndarray  # packed for the forward pass
    turned: np.ndarray  # packed for the way back
    groups: Groups  # of samples, with their packed gradients
    flat: np.ndarray  # the sum of these, unpacked, [P]
    losses: np.ndarray  # [N]


def workspace(places, layout, length, bounds):
    """The buffers for samples in groups with these bounds [groups + 1]; see `models.shares`."""
    workers = min(get_num_threads(), len(bounds) - 1)
    return Workspace(
        buffers(places, length, workers),
        weights=aligned(layout.weights.size),
        turned=aligned(layout.turned.size),
        groups=groups(bounds, workers, layout.weights.count),
        flat=np.empty(layout.count, np.float32),
        losses=np.empty(bounds[-1], np.float32),
    )


def gradient(network, places, layout, work, parameters, shown, target, weighting, size):
    """The losses [N] and what they add to the gradient [P] of the mean over a batch of `size`, in buffers of `work`
    that the next call overwrites."""
    pack(parameters, layout.weights, work.weights)
    pack(parameters, layout.turned, work.turned)
    shares = work.buffers, work.groups, work.losses, size
    job = Training(network, places, work.weights, work.turned, shown, target, weighting, *shares)
    run(_groups, job, len(work.buffers.arenas))
    unpack(total(work.groups), layout.weights, work.flat)
    return work.losses, work.flat
