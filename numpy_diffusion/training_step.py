"""One training step: draw, jump, predict, descend (article, training; Ho et al. 2020, Algorithm 1).

repeat: x_0 ~ data, t ~ uniform{1..T}, eps ~ N(0, I); descend on
        lambda(t) |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2

and, where the network learns its variance, on the bound by that head (Nichol and Dhariwal 2021, eq 16).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from numpy_diffusion import losses, step_sampling
from numpy_diffusion.forward import Backend, column
from numpy_diffusion.kernels import mlp_train
from numpy_diffusion.networks import mlp, parameters
from numpy_diffusion.noise import STREAM_BATCH, STREAM_TRAIN, integers, normal, split_seed
from numpy_diffusion.optimizers import Adam, adam_step, average_decays, average_step
from numpy_diffusion.schedules import Schedule


@dataclass
class State:
    """What training changes: arrays [P] in the order of `MLP.buffer`, the losses by t (see `step_sampling`), and how
    many steps are done."""

    parameters: np.ndarray
    m: np.ndarray
    v: np.ndarray
    average: np.ndarray
    history: np.ndarray
    step: int


class Task(NamedTuple):
    """What stays the same from step to step; see `prepare`."""

    model: mlp.MLP
    schedule: Schedule
    data: np.ndarray
    batch: int
    weighting: np.ndarray
    table: np.ndarray  # `losses.bound_table`
    adam: Adam
    rates: np.ndarray
    average_decay: float
    seed: int


Advance = Callable[[State, int], np.ndarray]

# Takes steps in place: state, how many, the steps to draw t from and the factors of their losses -> the losses of the
# steps [count], and of the last one's samples t [batch] and loss [batch].
Take = Callable[[State, int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def start(model: mlp.MLP, T: int) -> State:
    """The state before the first step."""
    weights = model.buffer
    moments = np.zeros_like(weights), np.zeros_like(weights)
    return State(weights.copy(), *moments, weights.copy(), step_sampling.start(T), 0)


def prepare(
    model: mlp.MLP,
    schedule: Schedule,
    data: np.ndarray,
    *,
    batch: int,
    weighting: np.ndarray,
    adam: Adam,
    rates: np.ndarray,
    average_decay: float,
    seed: int,
    sampling: str = "uniform",
    backend: Backend = "numba",
) -> Advance:
    """A function advance(state, count) that does `count` steps in place and returns their losses [count].

    Parameters
    ----------
    data : [N, D], standardised
    weighting : lambda by t [T + 1]
    rates : the learning rate of every step [steps]
    sampling : how t is drawn, "uniform" or "importance"; see `step_sampling`

    What a step draws depends on (seed, step) alone: steps may be taken one by one or all at once.
    """
    table = losses.bound_table(schedule)
    task = Task(model, schedule, data, batch, weighting, table, adam, rates, average_decay, seed)
    take = (_fused if backend == "numba" and model.buffer.dtype == np.float32 else _defined)(task)

    def advance(state: State, count: int) -> np.ndarray:
        if sampling == "uniform":
            return take(state, count, *step_sampling.uniform(schedule.T))[0]
        found = []
        for _ in range(count):
            chosen, factors = step_sampling.by_history(state.history)
            loss, t, weighted = take(state, 1, chosen, factors)
            step_sampling.remember(state.history, t, weighted / factors[t])
            found.append(loss[0])
        return np.array(found, np.float32)

    return advance


def _defined(task: Task) -> Take:
    """The steps as they are printed at the head of this file."""

    def take(
        state: State, count: int, chosen: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found, t, sample_losses = [], np.empty(0, np.int64), np.empty(0)
        weights = task.weighting * factors, losses.weighted(task.table, factors)
        for _ in range(count):
            x0, t, eps = draw(task.data, chosen, task.batch, task.seed, state.step + 1)
            sample_losses, gradient = losses_and_gradient(
                task.model, task.schedule, state.parameters, x0, t, eps, *weights
            )
            state.step += 1
            rate, decay = task.rates[state.step - 1], average_decays(task.average_decay, state.step, state.step)[0]
            adam_step(state.parameters, gradient, state.m, state.v, state.step, rate, task.adam)
            average_step(state.average, state.parameters, decay)
            found.append(sample_losses.mean())
        return np.array(found, np.float32), t, sample_losses

    return take


def draw(
    data: np.ndarray, steps: np.ndarray, batch: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x0 [batch, D], t [batch], one of `steps` [M], and eps [batch, D] of one training step."""
    samples = np.arange(batch)
    index, place = integers(seed, STREAM_BATCH, samples, step, [len(data), len(steps)]).T
    eps = normal(seed, STREAM_TRAIN, samples, step, data.shape[1]).astype(data.dtype)
    return data[index], steps[place], eps


def losses_and_gradient(
    model: mlp.MLP,
    schedule: Schedule,
    weights: np.ndarray,
    x0: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    weighting: np.ndarray,
    table: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted losses of a batch [N] at these weights [P], and their mean's gradient by them [P].

    `weighting` [T + 1] is lambda by t; `table` [T + 1, 6], `losses.bound_table`, is for a learned variance alone.
    """
    alpha_bar = schedule.alpha_bar[t]
    xt = column(np.sqrt(alpha_bar), x0) * x0 + column(np.sqrt(1.0 - alpha_bar), x0) * eps
    params = parameters.views(weights, model.shapes)
    outputs, caches = mlp.forward(params, xt, t, model.residual)
    eps_hat, head = outputs[:, : x0.shape[1]], outputs[:, x0.shape[1] :]
    found, doutputs = losses.noise_prediction(eps_hat, eps, weighting[t])
    if model.learn_variance:
        more, dhead = losses.variance_loss(head, eps_hat, eps, table[t])
        found, doutputs = found + more, np.concatenate([doutputs, dhead], axis=1)
    _, grads = mlp.backward(params, doutputs, caches, model.residual)
    return found, np.concatenate([grads[name].ravel() for name in params])


def _fused(task: Task) -> Take:
    """The same steps in their kernel, all buffers made once."""
    model, schedule = task.model, task.schedule
    network = model.network()
    data, signal, sigma, embedding = (
        np.ascontiguousarray(values, np.float32)
        for values in (
            task.data,
            np.sqrt(schedule.alpha_bar),
            np.sqrt(1.0 - schedule.alpha_bar),
            model.embed(np.arange(schedule.T + 1)),
        )
    )
    work = mlp_train.workspace(network.table, network.weights, task.batch)

    def take(
        state: State, count: int, chosen: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lambda_t = (task.weighting * factors).astype(np.float32)
        bound = losses.weighted(task.table, factors).astype(np.float32)
        problem = mlp_train.Problem(network.table, data, chosen, signal, sigma, lambda_t, bound, embedding)
        low, high = state.step, state.step + count
        work.weights[: len(state.parameters)] = state.parameters
        found = mlp_train.steps(
            problem,
            work,
            model.residual,
            (state.m, state.v, state.average),
            task.batch,
            low + 1,
            task.rates[low:high],
            average_decays(task.average_decay, low + 1, high),
            tuple(task.adam),
            (*split_seed(task.seed), STREAM_BATCH, STREAM_TRAIN),
        )
        state.parameters[:], state.step = work.weights[: len(state.parameters)], high
        return found, work.t[: task.batch], work.sample_loss[: task.batch]

    return take
