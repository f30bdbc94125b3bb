"""What the U-Net's kernels work in: the images and scratch of each worker, and the buffers of a training step."""

import threading
from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels.memory import aligned, round_up

# Groups of samples in a batch below and from 64: so many gradients are kept, and so many threads can work.
GROUPS = 4, 8


class Told(NamedTuple):
    """What each sample is told beside its step; arrays of no numbers where it is not told so."""

    labels: np.ndarray  # int64 [N]
    vectors: np.ndarray  # what is added to the embedding, or projected before, float32 [N, E]
    states: np.ndarray  # what is attended to, float32 [N, L, D]
    mask: np.ndarray  # which states are there, bool [N, L]


class Batch(NamedTuple):
    """What a training step is shown, float32."""

    x: np.ndarray  # [N, C, H, W]
    embedding: np.ndarray  # of each sample's step, [N, E]
    eps: np.ndarray  # like x
    weighting: np.ndarray  # lambda of each sample's step, [N]
    bound: np.ndarray  # its row of `losses.bound_table`, [N, 6]


class Workspace(NamedTuple):
    """The buffers of a training step, made once."""

    arenas: np.ndarray  # [workers, numbers]
    scratch: np.ndarray  # [workers, numbers]
    tables: np.ndarray  # each worker's own table of images, [workers, images]
    weights: np.ndarray  # packed for the forward pass
    turned: np.ndarray  # packed for the way back
    gradients: np.ndarray  # of each group of samples, packed, [groups, numbers]
    total: np.ndarray  # their sum
    flat: np.ndarray  # the same, unpacked, [P]
    losses: np.ndarray  # [N]
    dvectors: np.ndarray  # the gradient by what is told as a vector [N, E]; of no numbers where nobody asks
    dstates: np.ndarray  # that by the states [N, L, D], likewise


def workspace(plan, layout, batch):
    """The buffers for batches of this size."""
    groups = min(batch, GROUPS[batch >= 64])
    workers, numbers = min(get_num_threads(), groups), len(layout.weights.source)
    return Workspace(
        arenas=_for_each(workers, plan.arena),
        scratch=_for_each(workers, plan.scratch),
        tables=_tables(plan, workers),
        weights=aligned(layout.weights.size),
        turned=aligned(layout.turned.size),
        gradients=aligned(groups * numbers).reshape(groups, numbers),
        total=aligned(numbers),
        flat=np.empty(len(layout.place), np.float32),
        losses=np.empty(batch, np.float32),
        dvectors=np.empty((batch, plan.images[plan.dtold]["channels"]), np.float32),
        dstates=np.empty((batch, *(plan.images[plan.dstates][name] for name in ("width", "channels"))), np.float32),
    )


_kept = threading.local()


def kept_buffers(plan, workers):
    """Arenas, scratch, tables of the plan that this thread ran last: made anew they cost one image half its time."""
    known = getattr(_kept, "buffers", None)
    if known is None or known[0] is not plan or known[1] != workers:
        buffers = _for_each(workers, plan.arena), _for_each(workers, plan.scratch), _tables(plan, workers)
        _kept.buffers = known = plan, workers, *buffers
    return known[2:]


def _tables(plan, workers):
    """The plan's images for each worker, since a sample has its own number of states."""
    return np.tile(plan.images, (workers, 1))


def _for_each(workers, numbers):
    """Float32 [workers, numbers rounded up], so that each worker's start on a cache line of their own."""
    numbers = round_up(numbers, 16)
    return aligned(workers * numbers).reshape(workers, numbers)
