"""What the U-Net's kernels work in: the images and scratch of each worker, and the buffers of a training step."""

import threading
from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels.groups import Groups, groups
from numpy_diffusion.kernels.layers.images import NOWHERE, SAMPLES
from numpy_diffusion.kernels.memory import aligned, round_up


class Told(NamedTuple):
    """What each sample is told beside its step; arrays of no numbers where it is not told so."""

    labels: np.ndarray  # int64 [N]
    vectors: np.ndarray  # what is added to the embedding, or projected before, float32 [N, E]
    states: np.ndarray  # what is attended to, float32 [N, L, D]
    mask: np.ndarray  # which states are there, bool [N, L]


class Batch(NamedTuple):
    """What a training step is shown, float32: a whole batch or some samples of one that follow each other."""

    x: np.ndarray  # [N, C, H, W]
    embedding: np.ndarray  # of each sample's step, [N, E]
    eps: np.ndarray  # like x
    weighting: np.ndarray  # lambda of each sample's step, [N]
    bound: np.ndarray  # its row of `losses.bound_table`, [N, 6]
    first: int  # the first sample's number in the whole batch
    size: int  # samples of the whole batch


class Workspace(NamedTuple):
    """The buffers of a training step, made once."""

    arenas: np.ndarray  # [workers, numbers], room for as many samples as there are tables
    scratch: np.ndarray  # [workers, numbers]
    tables: np.ndarray  # of images, each worker's own for each sample at a time, [workers, samples, images]
    weights: np.ndarray  # packed for the forward pass
    turned: np.ndarray  # packed for the way back
    words: np.ndarray  # those that are rounded, of a plan in bfloat16
    groups: Groups  # of samples, with their packed gradients
    flat: np.ndarray  # the sum of these, unpacked, [P]
    losses: np.ndarray  # [N]
    dvectors: np.ndarray  # the gradient by what is told as a vector [N, E]; of no numbers where nobody asks
    dstates: np.ndarray  # that by the states [N, L, D], likewise


def workspace(plan, layout, bounds):
    """The buffers for samples in groups with these bounds [groups + 1]; see `models.shares`."""
    batch, workers = int(bounds[-1]), min(get_num_threads(), len(bounds) - 1)
    samples = min(at_a_time(plan, layout.weights.size), int(np.diff(bounds).max()))
    return Workspace(
        arenas=for_each(workers, samples * plan.arena),
        scratch=for_each(workers, plan.scratch),
        tables=_tables(plan, workers, samples),
        weights=aligned(layout.weights.size),
        turned=aligned(layout.turned.size),
        words=aligned(plan.words),
        groups=groups(bounds, workers, layout.weights.count),
        **_answers(plan, layout, batch),
    )


def side_by_side(plan, layout, bounds, weights, words):
    """The buffers where each sample has an arena of its own, all beside these weights and words; see `together`."""
    batch = int(bounds[-1])
    return Workspace(
        arenas=for_each(1, batch * plan.arena),
        scratch=for_each(get_num_threads(), plan.scratch),
        tables=_tables(plan, 1, batch),
        weights=weights,
        turned=weights,
        words=words,
        groups=groups(bounds, len(bounds) - 1, layout.weights.plain),
        **_answers(plan, layout, batch),
    )


def _answers(plan, layout, batch):
    """What a step gives back."""
    return dict(
        flat=np.empty(layout.count, np.float32),
        losses=np.empty(batch, np.float32),
        dvectors=np.empty((batch, plan.images[plan.dtold]["channels"]), np.float32),
        dstates=np.empty((batch, *(plan.images[plan.dstates][name] for name in ("width", "channels"))), np.float32),
    )


def at_a_time(plan, weights):
    """How many samples a worker takes through each call together: more than one where weights, of which there are so
    many, are more than a third of one sample's images (measured); what is fetched from memory anew is then the less,
    and the sums over pixels are the longer."""
    return max(1, min(SAMPLES, 3 * weights // plan.arena))


_kept = threading.local()


def kept_buffers(plan, weights, workers, n):
    """Arenas, scratch and tables for n samples, those of the plan that this thread ran last if they are enough: made
    anew they cost one image half its time.

    Samples that are fewer than the workers are all in one arena.
    """
    count, samples = workers if n >= workers else 1, min(at_a_time(plan, weights), max(n // workers, n % workers, 1))
    known = getattr(_kept, "buffers", None)
    fits = known is not None and known[0] is plan and known[1] == workers
    if not fits or known[4].shape[0] < count or known[4].shape[1] < samples:
        _kept.buffers = None  # the old ones may go before there are others
        arenas, scratch = for_each(count, samples * plan.arena), for_each(workers, plan.scratch)
        _kept.buffers = known = plan, workers, arenas, scratch, _tables(plan, count, samples)
    return known[2:]


def _tables(plan, workers, samples):
    """The plan's images for each worker and each sample, which has its own place in the arena, and its own number of
    states: [workers, samples, images]."""
    tables = np.tile(plan.images, (workers, samples, 1))
    for n in range(samples):
        own = tables[:, n]
        own["at"][own["at"] != NOWHERE] += n * plan.arena
    return tables


def for_each(workers, numbers):
    """Float32 [workers, numbers rounded up], so that each worker's start on a cache line of their own."""
    numbers = round_up(numbers, 16)
    return aligned(workers * numbers).reshape(workers, numbers)
