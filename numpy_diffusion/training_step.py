"""One training step: draw, jump, predict, descend (article, training; Ho et al. 2020, Algorithm 1).

repeat: x_0 ~ data, t ~ uniform{1..T}, eps ~ N(0, I); descend on
        lambda(t) |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2

and, where the network learns its variance, on the bound by that head (Nichol and Dhariwal 2021, eq 16).  With
classes, x_0 comes with its label, which now and then is left out (Ho and Salimans 2022, Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from numpy_diffusion import losses, step_sampling
from numpy_diffusion.forward import Backend
from numpy_diffusion.kernels import adam, mlp_train
from numpy_diffusion.networks import unet_compiled, unet_embedding
from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.networks.network import Network, null_label
from numpy_diffusion.networks.unet import UNet
from numpy_diffusion.noise import STREAM_BATCH, STREAM_TRAIN, split_seed
from numpy_diffusion.optimizers import Adam, adam_step, average_decays, average_step
from numpy_diffusion.schedules import Schedule
from numpy_diffusion.training_batch import Batch, Gradient, defined, draw, drawn_labels, losses_and_gradient, mirrored


@dataclass
class State:
    """What training changes: arrays [P] in the order of `model.buffer`, the losses by t (see `step_sampling`), and
    how many steps are done."""

    parameters: np.ndarray
    m: np.ndarray
    v: np.ndarray
    average: np.ndarray
    history: np.ndarray
    step: int


class Task(NamedTuple):
    """What stays the same from step to step; see `prepare`."""

    model: Network
    schedule: Schedule
    data: np.ndarray
    labels: np.ndarray | None
    batch: int
    weighting: np.ndarray
    table: np.ndarray  # `losses.bound_table`
    adam: Adam
    rates: np.ndarray
    average_decay: float
    seed: int
    label_dropout: float
    mirror: bool


Advance = Callable[[State, int], np.ndarray]

# Takes steps in place: state, how many, the steps to draw t from and the factors of their losses -> the losses of the
# steps [count], and of the last one's samples t [batch] and loss [batch].
Take = Callable[[State, int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def start(model: Network, T: int) -> State:
    """The state before the first step."""
    weights = model.buffer
    moments = np.zeros_like(weights), np.zeros_like(weights)
    return State(weights.copy(), *moments, weights.copy(), step_sampling.start(T), 0)


def prepare(
    model: Network,
    schedule: Schedule,
    data: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    batch: int,
    weighting: np.ndarray,
    adam: Adam,
    rates: np.ndarray,
    average_decay: float,
    seed: int,
    sampling: str = "uniform",
    label_dropout: float = 0.0,
    mirror: bool = False,
    backend: Backend = "numba",
) -> Advance:
    """A function advance(state, count) that does `count` steps in place and returns their losses [count].

    Parameters
    ----------
    data : [N, ...], in the network's units
    labels : classes [N], of a network with classes
    weighting : lambda by t [T + 1]
    rates : the learning rate of every step [steps]
    sampling : how t is drawn, "uniform" or "importance"; see `step_sampling`
    label_dropout, mirror : see `training_batch`

    What a step draws depends on (seed, step) alone: steps may be taken one by one or all at once.
    """
    given = model, schedule, data, labels, batch, weighting, losses.bound_table(schedule)
    take = _take(Task(*given, adam, rates, average_decay, seed, label_dropout, mirror), backend)

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


def _take(task: Task, backend: Backend) -> Take:
    """The steps in the form that there is for the network: its kernels, or the definition."""
    model = task.model
    if backend == "numpy" or model.buffer.dtype != np.float32:
        return _stepwise(task, defined, _descend)
    return _fused(task, model) if isinstance(model, MLP) else _stepwise(task, _compiled(task, model), adam.step)


def _stepwise(task: Task, gradient: Gradient, descend: Callable[..., None]) -> Take:
    """The steps as they are printed at the head of this file; gradient and descent by the definitions or kernels."""

    def take(
        state: State, count: int, chosen: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found, t, sample_losses = [], np.empty(0, np.int64), np.empty(0)
        weights = task.weighting * factors, losses.weighted(task.table, factors)
        for step in range(state.step + 1, state.step + count + 1):
            x0, t, eps = draw(task.data, chosen, task.batch, task.seed, step)
            x0 = mirrored(x0, task.seed, step) if task.mirror else x0
            shown = _labels(task, step), (task.seed, np.arange(task.batch), step)
            sample_losses, slope = losses_and_gradient(
                task.model, task.schedule, state.parameters, x0, t, eps, *weights, *shown, gradient
            )
            rate, decay = task.rates[step - 1], average_decays(task.average_decay, step, step)[0]
            moved = state.m, state.v, state.average
            descend(state.parameters, slope, *moved, step, rate, decay, task.adam)
            state.step = step
            found.append(sample_losses.mean())
        return np.array(found, np.float32), t, sample_losses

    return take


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


def _labels(task: Task, step: int) -> np.ndarray | None:
    """The labels [batch] of a step, where there are any."""
    null = null_label(task.model)
    if task.labels is None or null is None:
        return None
    return drawn_labels(task.labels, null, task.label_dropout, task.batch, task.seed, step)


def _compiled(task: Task, model: UNet) -> Gradient:
    """The U-Net's gradient in its kernels, all buffers made once."""
    gradient = unet_compiled.gradients(model.config, task.batch)
    embedding = unet_embedding.embed(model.config, np.arange(task.schedule.T + 1), np.float32)

    def compiled(_: Network, weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        xt, t, labels, dropped, eps, weighting, table = batch
        seed, _samples, step = dropped or (task.seed, None, 0)
        return gradient(weights, xt, eps, embedding[t], labels, weighting, table, seed, step)

    return compiled


def _fused(task: Task, model: MLP) -> Take:
    """The MLP's steps in their one kernel, all buffers made once."""
    schedule, network = task.schedule, model.network()
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
