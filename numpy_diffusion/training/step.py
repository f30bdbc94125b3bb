"""One training step: draw, jump, predict, descend (article, training; Ho et al. 2020, Algorithm 1).

repeat: x_0 ~ data, t ~ uniform{1..T}, eps ~ N(0, I); descend on
        lambda(t) |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2
        or, where the network predicts x_0 (Ramesh et al. 2022, eq 2) or v, on the same of that

and, where the network learns its variance, on the bound by that head (Nichol and Dhariwal 2021, eq 16).  With
a condition, x_0 comes with it, and now and then it is left out (Ho and Salimans 2022, Algorithm 1).  With an image to
go by, the network is shown the same part of both (`low_resolution`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import Ranks, Share, add_up, check_alone
from numpy_diffusion.models.tasks import Adam, Dropout, Gradient, State, Take, Task
from numpy_diffusion.models.trainable import Trainable
from numpy_diffusion.training import losses, low_resolution, step_sampling
from numpy_diffusion.training.batch import (
    by_definition,
    draw,
    drawn_condition,
    losses_and_gradient,
    mirrored,
    picked,
)
from numpy_diffusion.training.optimizers import adam_step, average_decays, average_step, learning_rates
from numpy_diffusion.training.settings import CommonSettings
from numpy_diffusion.training.step_sampling import Sampling

Advance = Callable[[State, int], np.ndarray]
Loss = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]  # see `take_steps`


class Descent(NamedTuple):
    """How the weights move: Adam's settings, its rate and the average's decay by step, and the form that does it."""

    adam: Adam
    rates: np.ndarray
    decays: np.ndarray
    move: Callable[..., None]


def start(model: Trainable, T: int = 0) -> State:
    """The state before the first step; T is 0 of a network that is told no steps."""
    weights = model.buffer
    moments = np.zeros_like(weights), np.zeros_like(weights)
    return State(weights.copy(), *moments, weights.copy(), step_sampling.start(T), 0)


def prepare(
    model: Network, task: Task, weighting: np.ndarray, *, sampling: Sampling = "uniform", backend: Backend
) -> Advance:
    """A function advance(state, count) that does `count` steps in place and returns their losses [count].

    Parameters
    ----------
    weighting : lambda by t [T + 1]
    sampling : how t is drawn, "uniform" or "importance"; see `step_sampling`

    What a step draws depends on (seed, step) alone: steps may be taken one by one or all at once.
    """
    take, table = _take(model, task, backend), losses.bound_table(task.schedule, model.predicts)

    def advance(state: State, count: int) -> np.ndarray:
        if sampling == "uniform":
            chosen, _ = step_sampling.uniform(task.schedule.T)
            return take(state, count, chosen, weighting, table)[0]
        found = []
        for _ in range(count):
            chosen, factors = step_sampling.by_history(state.history)
            loss, t, weighted = take(state, 1, chosen, weighting * factors, losses.weighted(table, factors))
            step_sampling.remember(state.history, t, weighted / factors[t])
            found.append(loss[0])
        return np.array(found, np.float32)

    return advance


def _take(model: Network, task: Task, backend: Backend) -> Take:
    """The steps in the form that there is for the network: its kernels, or the definition."""
    if backend == "numpy" or model.buffer.dtype != np.float32:
        check_alone(f"the definition of a {type(model).__name__}", task.ranks)
        return _stepwise(task, model, by_definition(model), "numpy")
    whole = model.own_steps(task)
    if whole is not None:
        return whole
    own = model.own_gradient(task)
    if own is None:
        check_alone(f"the definition of a {type(model).__name__}", task.ranks)
    return _stepwise(task, model, own or by_definition(model), "numba")


def descent(adam: Adam, rates: np.ndarray, decays: np.ndarray, backend: Backend) -> Descent:
    """A `Descent` in the form of this backend."""
    if backend == "numpy":
        return Descent(adam, rates, decays, _descend)
    from numpy_diffusion.kernels import adam as kernel

    return Descent(adam, rates, decays, kernel.step)


def descending(loss: Loss, settings: CommonSettings) -> Advance:
    """A function advance(state, count) that does `count` steps of a loss as `take_steps` takes it, in place, and
    returns their losses [count]."""
    moves = descent(
        Adam(weight_decay=settings.weight_decay),
        learning_rates(settings.learning_rate, settings.steps, settings.warmup),
        average_decays(settings.average_decay, 1, settings.steps),
        settings.backend,
    )

    def advance(state: State, count: int) -> np.ndarray:
        return take_steps(state, count, loss, moves)[0]

    return advance


def take_steps(state: State, count: int, loss: Loss, descent: Descent) -> tuple[np.ndarray, np.ndarray]:
    """Do `count` steps in place, and return their losses [count], and those of the last one's samples.

    loss : weights [P] and the number of the step -> the losses of its samples, and their mean's gradient [P]
    """
    found, sample_losses = [], np.empty(0)
    for step in range(state.step + 1, state.step + count + 1):
        sample_losses, slope = loss(state.parameters, step)
        rate, decay = descent.rates[step - 1], descent.decays[step - 1]
        descent.move(state.parameters, slope, state.m, state.v, state.average, step, rate, decay, descent.adam)
        state.step = step
        found.append(sample_losses.mean())
    return np.array(found, np.float32), sample_losses


def _stepwise(task: Task, model: Network, gradient: Gradient, backend: Backend) -> Take:
    """The steps as they are printed at the head of this file; noise, gradient and descent by the definitions or
    kernels."""

    nothing, predicts = model.nothing, model.predicts
    moves = descent(task.adam, task.rates, task.decays, backend)
    share = model.share(task.batch, task.ranks)
    samples = share.samples

    def take(
        state: State, count: int, chosen: np.ndarray, weighting: np.ndarray, table: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        def loss(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
            x0, t, eps = draw(task.data, chosen, samples, task.seed, step, task.crop, backend)
            x0 = mirrored(x0, samples, task.seed, step) if task.mirror else x0
            condition, dropout = _condition(task, nothing, samples, step), Dropout(task.seed, samples, step)
            if (low := condition.low_resolution) is not None:
                low = mirrored(low, samples, task.seed, step) if task.mirror else low
                x0, low = low_resolution.part(x0, low, task.crop, samples, task.seed, step)
                condition = replace(condition, low_resolution=low)
            return losses_and_gradient(
                gradient, task.schedule, weights, x0, t, eps, weighting, table, condition, dropout, predicts
            )

        losses, of_samples = take_steps(state, count, shared(loss, share, task.ranks), moves)
        _, t = picked(len(task.data), chosen, np.arange(task.batch), task.seed, state.step)
        return losses, t, of_samples

    return take


def shared(loss: Loss, share: Share, ranks: Ranks) -> Loss:
    """The loss of a whole batch, from that of the shares that processes take of it."""
    if ranks.size == 1:
        return loss

    def of_all(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.zeros(len(weights) + share.batch, np.float32)
        slope, losses = np.split(numbers, [len(weights)])
        losses[share.samples], slope[:] = loss(weights, step)
        add_up(ranks, share.groups, numbers)
        return losses, slope

    return of_all


def _descend(
    parameters: np.ndarray,
    gradient: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    average: np.ndarray,
    step: int,
    rate: float,
    decay: float,
    settings: Adam,
) -> None:
    """A step of Adam and of the average of the weights, in place: arrays [P]."""
    adam_step(parameters, gradient, m, v, step, rate, settings)
    average_step(average, parameters, decay)


def _condition(task: Task, nothing: Condition | None, samples: np.ndarray, step: int) -> Condition:
    """What the samples of a step are told."""
    if nothing is None:
        return task.condition
    return drawn_condition(task.condition, nothing, len(task.data), task.label_dropout, samples, task.seed, step)
