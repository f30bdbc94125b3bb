"""A training step whose samples go through the network side by side, call by call.

Where a batch has few numbers beside the weights, what counts is how often weights are fetched from memory.  So here
all threads do a call for all samples before the next, each thread for its groups of them.  A convolution's weights
are laid out for the kernels, and in bfloat16 rounded, just before it, while the one before runs, and stay in the
caches; the gradient by them is made by all threads, each some panels for all groups, summed over these while it is in
the caches, and written once, to where it belongs.  So there are no packed weights and no packed gradients of the
whole network.

The groups of samples, the order of their sums and thus all bits are those of `run.gradient`.
"""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.groups import Groups, add, groups, total
from numpy_diffusion.kernels.layers.bfloat16_conv import round_weights, words_size
from numpy_diffusion.kernels.layers.images import SAMPLES, Worker
from numpy_diffusion.kernels.memory import aligned, round_up
from numpy_diffusion.kernels.threads import address_on_threads, call, keep, kept, on_threads, one_at_a_time, share
from numpy_diffusion.kernels.unet.calls import BY_WEIGHTS, CONVOLUTIONS, PIECE, CallKind, Rounded
from numpy_diffusion.kernels.unet.packing import pack, pack_panel, panels_of, unpack, unpack_panel
from numpy_diffusion.kernels.unet.run import FIRST, ONE, Training, enter_samples, leave_samples, one_call, training
from numpy_diffusion.kernels.unet.workspace import Workspace, at_a_time, side_by_side
from numpy_diffusion.kernels.vector.registers import LANES

NO_CALL = -1
FEW = 7  # numbers of all samples' images for each weight, up to which this order of calls is the faster
FEWEST = 4_000_000  # weights that are many


class Stage(NamedTuple):
    """What is done between two waits of the threads for each other."""

    weights: int  # the CONV_WEIGHTS that goes before, which all threads do together; or NO_CALL
    first: int  # calls first..last - 1
    last: int
    following: int  # the convolution whose weights are laid out meanwhile; or NO_CALL


class Together(NamedTuple):
    """The buffers of a step, made once."""

    work: Workspace
    calls: np.ndarray  # the plan's, with the places of weights in `work.weights` and `layers.sums`
    stages: np.ndarray  # int64 [n, 4], a `Stage` each
    pieces: np.ndarray  # `calls.PIECE` [calls], the weights of each convolution
    places: np.ndarray  # int64 [calls], where they are laid out in `work.weights`
    layers: Groups  # one convolution's gradients; one thread's order of groups
    at_once: int  # samples of a group that go through a call together


class Step(NamedTuple):
    """A step, as all threads are told of it."""

    job: Training
    parameters: np.ndarray
    flat: np.ndarray
    stages: np.ndarray
    pieces: np.ndarray
    places: np.ndarray
    layers: Groups
    at_once: int


def suits(plan, layout, samples):
    """Whether so many samples of a plan are few beside its weights (measured)."""
    return layout.count >= FEWEST and samples * plan.arena <= FEW * layout.count


def stages(calls):
    """The stages of the calls [n, 4]: one begins behind each gradient by weights, and with each convolution unless it
    has begun just before.

    There is room for the weights of two convolutions: those of the next are laid out as soon as one has begun.

    Examples
    --------
    >>> found = np.zeros(6, [("kind", np.int64)])
    >>> conv, by_weights, silu = CallKind.CONV, CallKind.CONV_WEIGHTS, CallKind.SILU
    >>> found["kind"] = silu, conv, conv, by_weights, silu, conv
    >>> stages(found).tolist()
    [[-1, 0, 1, 1], [-1, 1, 2, 2], [-1, 2, 3, 5], [3, 4, 6, -1]]
    """
    convolutions = np.flatnonzero(np.isin(calls["kind"], CONVOLUTIONS)).tolist()
    after = dict(zip([NO_CALL, *convolutions], [*convolutions, NO_CALL], strict=True))
    weights, first, following, found = NO_CALL, 0, after[NO_CALL], []
    for k in np.flatnonzero(np.isin(calls["kind"], CONVOLUTIONS + BY_WEIGHTS)).tolist():
        by_weights = calls[k]["kind"] in BY_WEIGHTS
        if weights != NO_CALL and following == NO_CALL and not by_weights:
            following = after[k]  # all that is before the gradient by weights is done: there is room again
        else:
            found.append(Stage(weights, first, k, following))
            weights, first, following = (k, k + 1, NO_CALL) if by_weights else (NO_CALL, k, after[k])
    return np.array([*found, Stage(weights, first, len(calls), following)], np.int64)


def together(plan, layout, bounds):
    """The buffers for samples in groups with these bounds [groups + 1]; see `models.shares`."""
    calls, pieces, places = plan.calls.copy(), _pieces(plan, layout), np.zeros(len(plan.calls), np.int64)
    room, words, number, plain = _layer_size(layout), _words_size(plan), 0, round_up(layout.weights.plain, LANES)
    for k, row in enumerate(calls):
        if row["kind"] in CONVOLUTIONS:
            places[k] = plain + number % 2 * room
            row["weight"] = number % 2 * words if row["kind"] == CallKind.ROUNDED_CONV else places[k]
            number += 1
        elif row["kind"] in BY_WEIGHTS:
            row["weight"] = 0
    largest = max(int(piece["taps"] * piece["inputs"] * round_up(piece["outputs"], LANES)) for piece in pieces)
    work = side_by_side(plan, layout, bounds, aligned(plain + 2 * room), aligned(2 * words))
    at_once = min(at_a_time(plan, layout.weights.size), int(np.diff(bounds).max()))
    return Together(work, calls, stages(plan.calls), pieces, places, groups(bounds, 1, largest), at_once)


def _pieces(plan, layout):
    """The weights of each convolution, `PIECE` [calls]."""
    found, by_place = np.zeros(len(plan.calls), PIECE), {}
    for turned, packing in enumerate((layout.weights, layout.turned)):
        by_place |= {(turned, int(piece["at"])): piece for piece in packing.pieces if piece["taps"]}
    of_words = {row.words: (row.turned, row.weight) for row in map(Rounded._make, plan.rounding.tolist())}
    for k, row in enumerate(plan.calls):
        if row["kind"] == CallKind.ROUNDED_CONV:
            found[k] = by_place[of_words[int(row["weight"])]]
        elif row["kind"] in CONVOLUTIONS + BY_WEIGHTS:
            found[k] = by_place[int(row["turned"]), int(row["weight"])]
    return found


def _layer_size(layout):
    """Numbers of the largest convolution's weights as its kernel reads them."""
    found = [0]
    for packing in (layout.weights, layout.turned):
        for piece in packing.pieces:
            if piece["taps"]:
                J, C = (piece["outputs"], piece["inputs"])[:: -1 if packing.turned else 1]
                found.append(int(piece["taps"] * C * round_up(J, LANES)))
    return round_up(max(found), LANES)


def _words_size(plan):
    """Words of the convolution that has most."""
    rows = [Rounded._make(row) for row in plan.rounding.tolist()]
    return max((words_size(row.inputs, row.outputs, row.window) for row in rows), default=0)


class Part(NamedTuple):
    """A step and one of its stages, as all threads are told of them."""

    step: Step
    stage: int


@jit
def _stage(thread, threads, place):
    """One thread's share of a stage: the calls for its groups, and some of what is laid out meanwhile."""
    step, number = kept(place)
    job, first, last, following = step.job, step.stages[number, 1], step.stages[number, 2], step.stages[number, 3]
    if following != NO_CALL:
        _lay_out(step, following, thread, threads)
    worker, bounds = Worker(job.arenas[0], job.scratch[thread], FIRST, ONE), job.groups.bounds
    low, high = share(bounds.shape[0] - 1, thread, threads)
    n, end = bounds[low], bounds[high]
    if number == 0:
        enter_samples(job, worker.arena, job.tables[0][n:end], n, end)
    for k in range(first, last):
        if job.calls[k]["kind"] in CONVOLUTIONS:
            _by_groups(step, worker, low, high, first, k)
            for sample in range(n, end, SAMPLES):
                behind = min(sample + SAMPLES, end)
                one_call(job, worker, job.tables[0][sample:behind], job.groups.sums[0], k, sample, behind)
            first = k + 1
    _by_groups(step, worker, low, high, first, last)
    if last == job.calls.shape[0]:
        leave_samples(job, worker.arena, job.tables[0][n:end], n, end)


@jit
def _by_groups(step, worker, low, high, first, last):
    """Calls first..last - 1 for groups low..high - 1, each with sums of its own."""
    job, bounds = step.job, step.job.groups.bounds
    for group in range(low, high):
        for n in range(bounds[group], bounds[group + 1], step.at_once):
            end = min(n + step.at_once, bounds[group + 1])
            for k in range(first, last):
                one_call(job, worker, job.tables[0][n:end], job.groups.sums[group], k, n, end)


@jit
def _lay_out(step, k, thread, threads):
    """One thread's share of a convolution's weights, and of their words."""
    row, piece, job, at = step.job.calls[k], step.pieces[k], step.job, step.places[k]
    panels, size = panels_of(piece, row["turned"])
    low, high = share(panels, thread, threads)
    for panel in range(low, high):
        pack_panel(step.parameters, piece, row["turned"], panel, job.weights, at + panel * size)
        if row["kind"] == CallKind.ROUNDED_CONV:
            C = size // (piece["taps"] * LANES)
            to = row["weight"] + panel * words_size(C, LANES, row["window"])
            round_weights(job.weights, at + panel * size, job.words, to, C, LANES, row["window"], 0, 1)


@jit
def _weights(thread, threads, place):
    """One thread's panels of the gradient by a convolution's weights: summed over all groups, and written."""
    step, number = kept(place)
    job, layers, k = step.job, step.layers, step.stages[number, 0]
    piece, bounds = step.pieces[k], layers.bounds
    panels, size = panels_of(piece, job.calls[k]["turned"])
    low, high = share(panels, thread, threads)
    if low == high:
        return
    worker = Worker(job.arenas[0], job.scratch[thread], thread, threads)
    address = job.back if job.calls[k]["kind"] == CallKind.CONV_WEIGHTS else job.rounded_back
    for group in range(layers.rows.shape[0]):
        row, end = layers.rows[group], bounds[group + 1]
        layers.sums[row, low * size : high * size] = 0
        for n in range(bounds[group], end, step.at_once):
            last = min(n + step.at_once, end)
            tables, labels = job.tables[0][n:last], job.told.labels[n:last]
            call(address, (job.calls[k], tables, worker, job.weights, layers.sums[row], labels))
        for into in range(row - 1, row - 1 - layers.merges[group], -1):
            add(layers.sums, into, into + 1, low * size, high * size)
    for panel in range(low, high):
        unpack_panel(layers.sums[0], panel * size, piece, panel, step.flat)


@jit
def _step(stage, weights, threads, step):
    """All stages."""
    for number in range(step.stages.shape[0]):
        if step.stages[number, 0] != NO_CALL:
            on_threads(weights, threads, keep(Part(step, number)))
        on_threads(stage, threads, keep(Part(step, number)))


def gradient(plan, layout, own, parameters, batch, told, dropout, key, step):
    """As `run.gradient`, with `own` of `together`."""
    work, plain = own.work, layout.weights.pieces[layout.weights.pieces["taps"] == 0]
    small = layout.weights._replace(pieces=plain)
    pack(parameters, small, work.weights)
    work.groups.sums[:] = 0
    job = training(plan, work, own.calls, batch, told, dropout, key, step)
    whole = Step(job, parameters, work.flat, own.stages, own.pieces, own.places, own.layers, own.at_once)
    with one_at_a_time():
        part = Part(whole, 0)
        addresses = address_on_threads(_stage, part), address_on_threads(_weights, part)
        _step(*addresses, len(work.scratch), whole)
    unpack(total(work.groups), small, work.flat)
    return work.losses, work.flat
