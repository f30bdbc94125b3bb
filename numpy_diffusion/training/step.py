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

import numpy as np

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import Ranks, Share, add_up, check_alone
from numpy_diffusion.models.tasks import Adam, Dropout, Gradient, State, Take, Taken, Task, largest
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
from numpy_diffusion.training.descent import Descent
from numpy_diffusion.training.interrupts import in_one_piece
from numpy_diffusion.training.optimizers import average_decays, learning_rates
from numpy_diffusion.training.settings import CommonSettings
from numpy_diffusion.training.step_sampling import Sampling

Advance = Callable[[State, np.ndarray], None]
Loss = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]  # see `descending`


def start(model: Trainable, T: int = 0) -> State:
    """The state before the first step; T is 0 of a network that is told no steps."""
    weights = model.buffer
    moments = np.zeros_like(weights), np.zeros_like(weights)
    return State(weights.copy(), *moments, weights.copy(), step_sampling.start(T), 0)


def prepare(
    model: Network, task: Task, weighting: np.ndarray, *, sampling: Sampling = "uniform", backend: Backend
) -> Advance:
    """A function advance(state, losses) that does len(losses) steps, see `advancing`.

    Parameters
    ----------
    weighting : lambda by t [T + 1]
    sampling : how t is drawn, "uniform" or "importance"; see `step_sampling`

    What a step draws depends on (seed, step) alone: steps may be taken one by one or all at once.
    """
    take, table = _take(model, task, backend), losses.bound_table(task.schedule, model.predicts)
    everyone, all_alike = np.arange(task.batch), step_sampling.uniform(task.schedule.T)[0]

    def uniform(state: State, most: int) -> tuple[Taken, np.ndarray]:
        return take(state, most, all_alike, weighting, table), state.history

    def importance(state: State, most: int) -> tuple[Taken, np.ndarray]:
        chosen, factors = step_sampling.by_history(state.history)
        taken = take(state, 1, chosen, weighting * factors, losses.weighted(table, factors))
        _, t = picked(len(task.data), chosen, everyone, task.seed, state.step + 1)
        return taken, step_sampling.remembered(state.history, t, taken.last / factors[t])

    return advancing(uniform if sampling == "uniform" else importance)


def advancing(worked_out: Callable[[State, int], tuple[Taken, np.ndarray]]) -> Advance:
    """A function advance(state, losses) that does len(losses) steps in place, and fills in their losses.

    Whatever ends it early, the state is that of the last whole step, and `state.step` says which: an exception finds
    it as it was before the steps that are being worked out, and what `interrupts` holds back cannot part the arrays
    from the number.

    worked_out : a state and how many steps at most -> some, one at least; and the history of losses after them

    Raises
    ------
    FloatingPointError : the next step's loss is not finite, or the weights after it would not be
    """

    def advance(state: State, losses: np.ndarray) -> None:
        done = 0
        while done < len(losses):
            taken, history = worked_out(state, len(losses) - done)
            _check_finite(state, taken, history)
            first, done = done, done + len(taken.losses)
            losses[first:done] = taken.losses
            with in_one_piece():
                taken.move.make()
                state.history, state.step = history, state.step + len(taken.losses)

    return advance


def _check_finite(state: State, taken: Taken, history: np.ndarray) -> None:
    advice = "training has diverged; a smaller learning_rate may help"
    if len(bad := np.flatnonzero(~np.isfinite(taken.losses))):
        loss, number = taken.losses[bad[0]], state.step + 1 + bad[0]
        raise FloatingPointError(f"loss: expected finite numbers, got {loss} at step {number}: {advice}")
    known = history is state.history or np.isfinite(largest(history))
    if not (taken.move.finite and known):
        number = state.step + len(taken.losses)
        raise FloatingPointError(f"weights: expected finite numbers, got others by step {number}: {advice}")


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


def descending(loss: Loss, settings: CommonSettings) -> Advance:
    """A function advance(state, losses) that does len(losses) steps of a loss, see `advancing`.

    loss : weights [P] and the number of the step -> the losses of its samples, and their mean's gradient [P]
    """
    moves = Descent(
        Adam(weight_decay=settings.weight_decay),
        learning_rates(settings.learning_rate, settings.steps, settings.warmup),
        average_decays(settings.average_decay, 1, settings.steps),
        settings.backend,
    )
    return advancing(lambda state, most: (one_step(state, loss, moves), state.history))


def one_step(state: State, loss: Loss, moves: Descent) -> Taken:
    """The next step by a loss as `descending` takes it."""
    of_samples, slope = loss(state.parameters, state.step + 1)
    return Taken(np.array([of_samples.mean()], np.float32), of_samples, moves.move(state, slope))


def _stepwise(task: Task, model: Network, gradient: Gradient, backend: Backend) -> Take:
    """The steps as they are printed at the head of this file; noise, gradient and descent by the definitions or
    kernels."""

    nothing, predicts = model.nothing, model.predicts
    moves = Descent(task.adam, task.rates, task.decays, backend)
    share = model.share(task.batch, task.ranks)
    samples, of_all = share.samples, sharing(share, task.ranks)

    def take(state: State, most: int, chosen: np.ndarray, weighting: np.ndarray, table: np.ndarray) -> Taken:
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

        return one_step(state, of_all(loss), moves)

    return take


def sharing(share: Share, ranks: Ranks) -> Callable[[Loss], Loss]:
    """What makes the loss of a whole batch of that of the shares that processes take of it.

    What that gives is overwritten by the next step.
    """
    if ranks.size == 1:
        return lambda loss: loss
    numbers = np.empty(0, np.float32)

    def of_all(loss: Loss) -> Loss:
        def summed(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
            nonlocal numbers
            if not len(numbers):
                numbers = np.empty(len(weights) + share.batch, np.float32)
            slope, losses = np.split(numbers, [len(weights)])
            losses[:] = 0.0
            losses[share.samples], slope[:] = loss(weights, step)
            add_up(ranks, share.groups, numbers)
            return losses, slope

        return summed

    return of_all


def _condition(task: Task, nothing: Condition | None, samples: np.ndarray, step: int) -> Condition:
    """What the samples of a step are told."""
    if nothing is None:
        return task.condition
    return drawn_condition(task.condition, nothing, len(task.data), task.label_dropout, samples, task.seed, step)
