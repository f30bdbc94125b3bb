"""One training step: draw, jump, predict, descend (article, training; Ho et al. 2020, Algorithm 1).

repeat: x_0 ~ data, t ~ uniform{1..T}, eps ~ N(0, I); descend on
        lambda(t) |eps - eps_theta(sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, t)|^2
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numpy_diffusion import losses
from numpy_diffusion.forward import Backend, column
from numpy_diffusion.kernels import mlp_train
from numpy_diffusion.networks import mlp, parameters
from numpy_diffusion.noise import STREAM_BATCH, STREAM_TRAIN, integers, normal, split_seed
from numpy_diffusion.optimizers import Adam, adam_step, average_decays, average_step
from numpy_diffusion.schedules import Schedule


@dataclass
class State:
    """What training changes: arrays [P] in the order of `MLP.buffer`, and how many steps are done."""

    parameters: np.ndarray
    m: np.ndarray
    v: np.ndarray
    average: np.ndarray
    step: int


Advance = Callable[[State, int], np.ndarray]


def start(model: mlp.MLP) -> State:
    """The state before the first step."""
    weights = model.buffer
    return State(weights.copy(), np.zeros_like(weights), np.zeros_like(weights), weights.copy(), 0)


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
    backend: Backend = "numba",
) -> Advance:
    """A function advance(state, count) that does `count` steps in place and returns their losses [count].

    Parameters
    ----------
    data : [N, D], standardised
    weighting : lambda by t [T + 1]
    rates : the learning rate of every step [steps]

    What a step draws depends on (seed, step) alone: steps may be taken one by one or all at once.
    """
    if backend == "numba" and model.buffer.dtype == np.float32:
        return _fused(model, schedule, data, batch, weighting, adam, rates, average_decay, seed)

    def advance(state: State, count: int) -> np.ndarray:
        found = []
        for _ in range(count):
            x0, t, eps = draw(data, schedule.T, batch, seed, state.step + 1)
            loss, gradient = loss_and_gradient(model, schedule, state.parameters, x0, t, eps, weighting)
            state.step += 1
            adam_step(state.parameters, gradient, state.m, state.v, state.step, rates[state.step - 1], adam)
            average_step(state.average, state.parameters, average_decays(average_decay, state.step, state.step)[0])
            found.append(loss)
        return np.array(found, np.float32)

    return advance


def draw(data: np.ndarray, T: int, batch: int, seed: int, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x0 [batch, D], t [batch] and eps [batch, D] of one step."""
    samples = np.arange(batch)
    index, t = integers(seed, STREAM_BATCH, samples, step, [len(data), T]).T
    eps = normal(seed, STREAM_TRAIN, samples, step, data.shape[1]).astype(data.dtype)
    return data[index], t + 1, eps


def loss_and_gradient(
    model: mlp.MLP,
    schedule: Schedule,
    weights: np.ndarray,
    x0: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    weighting: np.ndarray,
) -> tuple[float, np.ndarray]:
    """The weighted loss of a batch at these weights [P], and its gradient by them [P]."""
    alpha_bar = schedule.alpha_bar[t]
    xt = column(np.sqrt(alpha_bar), x0) * x0 + column(np.sqrt(1.0 - alpha_bar), x0) * eps
    params = parameters.views(weights, model.shapes)
    eps_hat, caches = mlp.forward(params, xt, t, model.residual)
    loss, deps = losses.noise_prediction(eps_hat, eps, weighting[t])
    _, grads = mlp.backward(params, deps, caches, model.residual)
    return loss, np.concatenate([grads[name].ravel() for name in params])


def _fused(
    model: mlp.MLP,
    schedule: Schedule,
    data: np.ndarray,
    batch: int,
    weighting: np.ndarray,
    adam: Adam,
    rates: np.ndarray,
    average_decay: float,
    seed: int,
) -> Advance:
    """The same steps in their kernel, all buffers made once."""
    network = model.network()
    problem = mlp_train.Problem(
        network.table,
        np.ascontiguousarray(data, np.float32),
        np.sqrt(schedule.alpha_bar).astype(np.float32),
        np.sqrt(1.0 - schedule.alpha_bar).astype(np.float32),
        weighting.astype(np.float32),
        model.embed(np.arange(schedule.T + 1)),
    )
    work = mlp_train.workspace(network.table, network.weights, batch)

    def advance(state: State, count: int) -> np.ndarray:
        low, high = state.step, state.step + count
        work.weights[: len(state.parameters)] = state.parameters
        found = mlp_train.steps(
            problem,
            work,
            model.residual,
            (state.m, state.v, state.average),
            batch,
            low + 1,
            rates[low:high],
            average_decays(average_decay, low + 1, high),
            tuple(adam),
            (*split_seed(seed), STREAM_BATCH, STREAM_TRAIN),
        )
        state.parameters[:], state.step = work.weights[: len(state.parameters)], high
        return found

    return advance
