"""The prior's samples spread over threads: its outputs, and the gradient of a batch.

The gradients of a batch are summed in fixed groups of samples (`kernels.unet.workspace.GROUPS`), each by one worker
and in order, then group by group: so they are the same for any number of threads.
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers.images import Worker
from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.prior import backward, forward
from numpy_diffusion.kernels.prior.forward import Shown, Tokens
from numpy_diffusion.kernels.prior.places import EXTRA, TOGETHER, Network, Places
from numpy_diffusion.kernels.threads import kept, run, share
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.unet.run import FIRST, ONE, add_up
from numpy_diffusion.kernels.unet.workspace import for_each, groups_of


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
    gradients: np.ndarray  # what comes out: a row a group of samples
    losses: np.ndarray  # [N], likewise


@jit
def _groups(thread, threads, place):
    """One thread's groups: the losses of their samples, and the gradient of the batch's mean."""
    job = kept(place)
    own, N, groups = job.buffers, job.target.shape[0], job.gradients.shape[0]
    worker = Worker(own.arenas[thread], own.scratch[thread], FIRST, ONE)
    tokens = Tokens(own.starts[thread], own.spots[thread])
    low, high = share(groups, thread, threads)
    for group in range(low, high):
        job.gradients[group] = 0
        begin, end = share(N, group, groups)
        for first in range(begin, end, TOGETHER):
            _there_and_back(job, worker, tokens, job.gradients[group], first, min(TOGETHER, end - first))


@jit
def _there_and_back(job, worker, tokens, gradients, first, count):
    """A few samples: their losses, and what they add to the gradients of their group."""
    network, places, weights, turned = job.network, job.places, job.weights, job.turned
    forward.predict(network, places, worker, tokens, weights, job.shown, first, count)
    N = job.target.shape[0]
    backward.losses(places, worker.arena, job.target, job.weighting, first, count, N, job.losses)
    backward.from_last(network, places, worker, weights, turned, gradients, count)
    for number in range(network.blocks.shape[0] - 1, -1, -1):
        backward.block(network, places, worker, tokens, weights, turned, gradients, count, number)
    backward.embed(network, places, worker, tokens, turned, gradients, count)


class Workspace(NamedTuple):
    """The buffers of a training step, made once."""

    buffers: Buffers
    weights: np.ndarray  # packed for the forward pass
    turned: np.ndarray  # packed for the way back
    gradients: np.ndarray  # of each group of samples, packed
    total: np.ndarray  # their sum
    flat: np.ndarray  # the same, unpacked, [P]
    losses: np.ndarray  # [N]


def workspace(places, layout, length, batch):
    """The buffers for batches of this size."""
    groups = groups_of(batch)
    numbers = len(layout.weights.source)
    return Workspace(
        buffers(places, length, min(get_num_threads(), groups)),
        weights=aligned(layout.weights.size),
        turned=aligned(layout.turned.size),
        gradients=aligned(groups * numbers).reshape(groups, numbers),
        total=aligned(numbers),
        flat=np.empty(len(layout.place), np.float32),
        losses=np.empty(batch, np.float32),
    )


def gradient(network, places, layout, work, parameters, shown, target, weighting):
    """The losses [N] and their mean's gradient [P], in buffers of `work` that the next call overwrites."""
    pack(parameters, layout.weights, work.weights)
    pack(parameters, layout.turned, work.turned)
    shares = work.buffers, work.gradients, work.losses
    job = Training(network, places, work.weights, work.turned, shown, target, weighting, *shares)
    run(_groups, job, len(work.buffers.arenas))
    add_up(work.gradients, work.total)
    unpack(work.total, layout.place, work.flat)
    return work.losses, work.flat
