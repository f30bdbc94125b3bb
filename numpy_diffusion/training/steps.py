"""Training step by step: what its arguments become, and how its state goes on.

`loop.train` goes through these steps with a bar and a folder, `train_steps` hands each of them out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.kernels.precision import Precision
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import ALONE, Ranks
from numpy_diffusion.models.tasks import Adam, State, Task
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import inputs, low_resolution
from numpy_diffusion.training.interrupts import NEVER, Stop, in_one_piece
from numpy_diffusion.training.losses import Weighting, weights
from numpy_diffusion.training.optimizers import average_decays, learning_rates
from numpy_diffusion.training.ranks import agreed
from numpy_diffusion.training.settings import Settings, settings
from numpy_diffusion.training.step import Advance, prepare, start
from numpy_diffusion.training.step_sampling import Sampling

CHUNK_SECONDS: Final = 0.1  # how long the loop stays in the kernel: the bar moves and Ctrl-C acts as often


class TrainingStep(NamedTuple):
    """A step that is done.

    Attributes
    ----------
    step : its number, from 1 on
    loss : the mean over its batch, before the weights moved
    learning_rate : of the move
    """

    step: int
    loss: float
    learning_rate: float


def train_steps(
    model: Network,
    schedule: Schedule,
    x0: ArrayLike,
    labels: ArrayLike | Condition | None = None,
    *,
    steps: int = 10_000,
    batch: int | None = None,
    learning_rate: float | None = None,
    warmup: int | None = None,
    weight_decay: float = 0.0,
    average_decay: float = 0.999,
    weighting: Weighting | ArrayLike = "simple",
    sampling: Sampling = "uniform",
    label_dropout: float | Mapping[str, float] | None = None,
    mirror: bool = False,
    crop: int | None = None,
    seed: int = 0,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> Iterator[TrainingStep]:
    """Train as `train` does, and stop after each step, so that it can be looked at.

    After each step `model` holds the moving average of the weights so far, and can be drawn from.  After all of them
    it is, to the bit, what `train` leaves; whoever leaves the loop before has trained so far.

    Parameters
    ----------
    all : as for `train`

    Yields
    ------
    TrainingStep

    Raises
    ------
    ValueError : an argument out of its range, at the call
    FloatingPointError : loss or weights are no longer finite

    Examples
    --------
    >>> import numpy_diffusion as nd
    >>> model, schedule = nd.MLP(dim=1, width=8, depth=0), nd.Schedule.linear(T=10)
    >>> for done in nd.train_steps(model, schedule, [[-1.0], [1.0]], steps=20):
    ...     if done.step % 10 == 0:
    ...         print(done.step, round(done.learning_rate, 5), nd.sample(model, schedule, n=3).shape)
    10 0.00311 (3, 1)
    20 3e-05 (3, 1)
    """
    ready = prepared(
        model,
        schedule,
        x0,
        labels,
        weighting=weighting,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        average_decay=average_decay,
        sampling=sampling,
        seed=seed,
        backend=backend,
        mirror=mirror,
        label_dropout=label_dropout,
        crop=crop,
        precision=precision,
    )
    return _one_by_one(model, ready)


def _one_by_one(model: Network, ready: Prepared) -> Iterator[TrainingStep]:
    losses, rates = np.empty(ready.settings.steps, np.float32), ready.task.rates
    for state in states(ready.advance, start(ready.data.model, ready.task.schedule.T), losses, at_most=1):
        hand_over(model, ready.data.model, state, ready.data.values, ready.settings.backend)
        yield TrainingStep(state.step, float(losses[state.step - 1]), float(rates[state.step - 1]))


class Prepared(NamedTuple):
    """The arguments of a training, checked, and the function that does its steps."""

    data: inputs.Data
    settings: Settings
    task: Task
    advance: Advance


def prepared(
    model: Network,
    schedule: Schedule,
    x0: ArrayLike,
    labels: ArrayLike | Condition | None,
    *,
    weighting: Weighting | ArrayLike,
    ranks: Ranks = ALONE,
    **given: Any,
) -> Prepared:
    """The arguments of `loop.train` that decide the final weights, checked; see `settings.settings` for `given`."""
    lambda_t = weights(_checks.instance("schedule", schedule, Schedule), weighting)
    data = inputs.data(model, x0, labels if isinstance(labels, Condition) else Condition(labels))
    data.model.T = schedule.T
    chosen = settings(model, weighting=weighting, lambda_t=lambda_t, **given)
    if data.condition.low_resolution is not None:
        low_resolution.check(data.values, data.condition.low_resolution, chosen.crop)
    task = _task(data, schedule, chosen, ranks)
    advance = prepare(data.model, task, lambda_t, sampling=chosen.sampling, backend=chosen.backend)
    return Prepared(data, chosen, task, advance)


def _task(data: inputs.Data, schedule: Schedule, settings: Settings, ranks: Ranks) -> Task:
    """What stays the same from step to step."""
    return Task(
        schedule=schedule,
        data=data.values,
        condition=data.condition,
        batch=settings.batch,
        adam=Adam(weight_decay=settings.weight_decay),
        rates=learning_rates(settings.learning_rate, settings.steps, settings.warmup),
        decays=average_decays(settings.average_decay, 1, settings.steps),
        seed=settings.seed,
        label_dropout=settings.label_dropout or 0.0,
        mirror=bool(settings.mirror),
        crop=settings.crop,
        precision=settings.precision or "float32",
        ranks=ranks,
    )


def states(
    advance: Advance, state: State, losses: np.ndarray, at_most: int, ranks: Ranks = ALONE, stop: Stop = NEVER
) -> Iterator[State]:
    """The state of training, always the same one, each time 1..at_most steps further; fills in the losses as it goes.

    It comes at all multiples of `at_most`.  No exception leaves it half done, see `step.advancing`.  Several
    processes stop at the same step, with a KeyboardInterrupt, where one of them is asked to.
    """
    chunk = 1
    while state.step < len(losses):
        begin, began = state.step, time.perf_counter()
        end = begin + min(chunk, len(losses) - begin, at_most - begin % at_most)
        advance(state, losses[begin:end])
        yield state
        seconds, asked = agreed(ranks, time.perf_counter() - began, stop)
        if asked:
            raise KeyboardInterrupt
        pace = (end - begin) / seconds
        chunk = max(1, min(round(pace * CHUNK_SECONDS), 4 * chunk))


def hand_over(model: Trainable, trained: Trainable, state: State, data: np.ndarray, backend: Backend) -> None:
    """Give the user's model the moving average of the weights, and what the copy that was trained has measured."""
    trained.buffer[:] = state.average
    trained.measure(data, backend)
    with in_one_piece():
        model.buffer[:], model.measured = state.average, trained.measured
        if isinstance(model, Network) and isinstance(trained, Network):
            model.T = trained.T
