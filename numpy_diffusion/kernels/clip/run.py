"""An encoder's forward pass over a batch, and its way back: the twin of the layers in `networks/clip/encoder.py`.

The contrastive loss asks for the embeddings of a whole batch before the way back can begin.  So in training each
sample has an arena of its own, in which what the way back needs stays; else a thread takes its samples one by one in
one arena.  The gradients of a batch are summed in fixed groups of samples, as in `kernels/unet/run.py`.
"""

from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.groups import Groups, groups, merge, total
from numpy_diffusion.kernels.layers.images import Worker, image
from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.threads import address_of, call, kept, run, share
from numpy_diffusion.kernels.unet import dispatch
from numpy_diffusion.kernels.unet.calls import CallKind
from numpy_diffusion.kernels.unet.packing import pack, unpack
from numpy_diffusion.kernels.unet.run import FIRST, ONE
from numpy_diffusion.kernels.unet.workspace import for_each


class Ends(NamedTuple):
    """Rows of the images of what comes in and goes out; see `calls.Plan`."""

    states: int
    eps: int
    deps: int
    dstates: int


class Addresses(NamedTuple):
    """Where the kernels of `dispatch` are; see `threads`."""

    forward: int
    backward: int
    transformer: int
    encoder: int


class Job(NamedTuple):
    """A batch there and back, as all threads are told of it."""

    addresses: Addresses
    calls: np.ndarray
    backward: int
    ends: Ends
    tokens: np.ndarray
    weights: np.ndarray
    turned: np.ndarray
    arenas: np.ndarray  # [samples or threads, numbers]
    scratch: np.ndarray  # [threads, numbers]
    tables: np.ndarray  # [samples or threads, images]
    labels: np.ndarray  # [1], what the kernels want to be told of a sample: 0
    each: int  # whether each sample has its own arena
    h: np.ndarray  # what goes in [N, L, D]
    lengths: np.ndarray  # rows of h that count [N]
    outputs: np.ndarray  # embeddings [N, E]
    slopes: np.ndarray  # the loss's gradient by them [N, E]
    dh: np.ndarray  # the gradient by h, of all rows that count
    groups: Groups  # with the gradients by the weights


@jit
def _there(thread, threads, place):
    """One thread's samples, forward."""
    job = kept(place)
    low, high = share(job.h.shape[0], thread, threads)
    for n in range(low, high):
        slot = n if job.each else thread
        worker, table = Worker(job.arenas[slot], job.scratch[thread], FIRST, ONE), job.tables[slot]
        tables = job.tables[slot : slot + 1]
        for k in range(job.tokens.shape[0]):
            table[job.tokens[k, 0]]["width"] = job.tokens[k, 1] + job.lengths[n]
        at, D = image(table, job.ends.states).at, job.h.shape[2]
        for token in range(job.lengths[n]):
            for c in range(D):
                worker.arena[at + token * D + c] = job.h[n, token, c]
        for k in range(job.backward):
            kind = job.calls[k]["kind"]
            address = job.addresses.forward
            if kind >= CallKind.LAYER_NORM:
                address = job.addresses.transformer if kind < CallKind.SAMPLE else job.addresses.encoder
            call(address, (job.calls[k], tables, worker, job.weights, job.turned, job.labels))
        at = image(table, job.ends.eps).at
        for c in range(job.outputs.shape[1]):
            job.outputs[n, c] = worker.arena[at + c]


@jit
def _back(thread, threads, place):
    """One thread's groups of samples, backward."""
    job = kept(place)
    own = job.groups
    low, high = share(own.rows.shape[0], thread, threads)
    for group in range(low, high):
        gradients = own.sums[own.rows[group]]
        gradients[:] = 0
        for n in range(own.bounds[group], own.bounds[group + 1]):
            _sample_back(job, Worker(job.arenas[n], job.scratch[thread], FIRST, ONE), gradients, n)
        merge(own.sums, own.rows[group], own.merges[group])


@jit
def _sample_back(job, worker, gradients, n):
    """One sample: what it adds to the gradients of its group, and that by what went in."""
    table, tables, arena = job.tables[n], job.tables[n : n + 1], worker.arena
    at, D = image(table, job.ends.deps).at, job.h.shape[2]
    for c in range(job.slopes.shape[1]):
        arena[at + c] = job.slopes[n, c]
    for k in range(job.backward, job.calls.shape[0]):
        kind = job.calls[k]["kind"]
        if kind == CallKind.CONV:
            call(job.addresses.forward, (job.calls[k], tables, worker, job.weights, job.turned, job.labels))
        else:
            address = job.addresses.backward
            if kind >= CallKind.LAYER_NORM:
                address = job.addresses.transformer if kind < CallKind.SAMPLE else job.addresses.encoder
            call(address, (job.calls[k], tables, worker, job.weights, gradients, job.labels))
    at = image(table, job.ends.dstates).at
    for token in range(job.h.shape[1]):
        for c in range(D):
            job.dh[n, token, c] = arena[at + token * D + c] if token < job.lengths[n] else np.float32(0)


def _job(plan, weights, turned, buffers, each, h, lengths, own):
    labels, worker = np.zeros(1, np.int64), Worker(buffers[0][0], buffers[1][0], 0, 1)
    kernels = dispatch.forward, dispatch.backward, dispatch.transformer, dispatch.encoder
    given = plan.calls[0], buffers[2], worker, weights, turned, labels
    addresses = Addresses(*(address_of(kernel, *given) for kernel in kernels))
    ends = Ends(*(getattr(plan, name) for name in Ends._fields))
    outputs, slopes = np.empty((2, len(h), plan.images[plan.eps]["channels"]), np.float32)
    parts = plan.calls, plan.backward, ends, plan.tokens, weights, turned, *buffers, labels, each
    return Job(addresses, *parts, h, lengths, outputs, slopes, np.empty_like(h), own)


def embeddings(plan, weights, h, lengths):
    """The embeddings [N, E] of sequences h [N, L, D], of which `lengths` [N] rows count."""
    threads = get_num_threads()
    buffers = for_each(threads, plan.arena), for_each(threads, plan.scratch), np.tile(plan.images, (threads, 1))
    job = _job(plan, weights, weights, buffers, 0, h, lengths, groups(np.zeros(1, np.int64), 0, 0))
    run(_there, job)
    return job.outputs


class Training:
    """An encoder's way through samples in groups with these bounds [groups + 1], there and then back, in buffers that
    are made once; see `models.shares`."""

    def __init__(self, plan, layout, bounds):
        batch, self.threads = int(bounds[-1]), min(get_num_threads(), len(bounds) - 1)
        self.plan, self.layout = plan, layout
        self.weights, self.turned = aligned(layout.weights.size), aligned(layout.turned.size)
        tables = np.tile(plan.images, (batch, 1))
        self.buffers = for_each(batch, plan.arena), for_each(self.threads, plan.scratch), tables
        self.groups = groups(bounds, self.threads, layout.weights.count)
        self.flat = np.empty(layout.count, np.float32)

    def there(self, parameters, h, lengths):
        """The embeddings [N, E] of h [N, L, D], of which `lengths` [N] rows count, at these parameters [P]."""
        pack(parameters, self.layout.weights, self.weights)
        pack(parameters, self.layout.turned, self.turned)
        self.job = _job(self.plan, self.weights, self.turned, self.buffers, 1, h, lengths, self.groups)
        run(_there, self.job, threads=self.threads)
        return self.job.outputs

    def back(self, slopes):
        """dh [N, L, D] and the gradient [P], from the gradient by the embeddings that `there` has just given [N, E].

        The second is overwritten by the next call.
        """
        self.job.slopes[:] = slopes
        run(_back, self.job, threads=self.threads)
        unpack(total(self.groups), self.layout.weights, self.flat)
        return self.job.dh, self.flat
