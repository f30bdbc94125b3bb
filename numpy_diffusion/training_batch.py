"""What a training step draws, and the loss of it with its gradient.

Every draw is a function of (seed, sample in the batch, step): a run can go on anywhere, on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from numpy_diffusion import losses
from numpy_diffusion.forward import column
from numpy_diffusion.networks import parameters
from numpy_diffusion.networks.network import Draw, Network, backward, forward
from numpy_diffusion.noise import (
    STREAM_BATCH,
    STREAM_FLIP,
    STREAM_LABEL_DROPOUT,
    STREAM_TRAIN,
    integers,
    normal,
    uniform,
)
from numpy_diffusion.schedules import Schedule


class Batch(NamedTuple):
    """What the network is shown in a step, and what it is judged by."""

    xt: np.ndarray  # [N, ...]
    t: np.ndarray  # [N]
    labels: np.ndarray | None  # [N]
    draw: Draw | None  # for dropout; None for none
    eps: np.ndarray  # [N, ...]
    weighting: np.ndarray  # lambda of each sample's step [N]
    table: np.ndarray  # rows of `losses.bound_table` [N, 6]


# The network, weights [P] and a batch -> the weighted losses [N], and their mean's gradient by the weights [P].
Gradient = Callable[[Network, np.ndarray, Batch], tuple[np.ndarray, np.ndarray]]


def draw(
    data: np.ndarray, steps: np.ndarray, batch: int, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x0 [batch, ...], t [batch], one of `steps` [M], and eps like x0, of one training step."""
    samples = np.arange(batch)
    index, place = integers(seed, STREAM_BATCH, samples, step, [len(data), len(steps)]).T
    eps = normal(seed, STREAM_TRAIN, samples, step, data[0].size).reshape(batch, *data.shape[1:])
    return data[index], steps[place], eps.astype(data.dtype, copy=False)


def mirrored(x0: np.ndarray, seed: int, step: int) -> np.ndarray:
    """The images [N, C, H, W], each with left and right exchanged or as it is, by the toss of a coin."""
    flip = uniform(seed, STREAM_FLIP, np.arange(len(x0)), step, 1) < 0.5
    return np.where(flip[:, :, None, None], x0[..., ::-1], x0)


def drawn_labels(labels: np.ndarray, null: int, dropout: float, batch: int, seed: int, step: int) -> np.ndarray:
    """The labels [batch] of what `draw` draws, each with probability `dropout` the null label instead.

    So that one network learns the noise of every class and of all together, for classifier-free guidance.
    """
    samples = np.arange(batch)
    index = integers(seed, STREAM_BATCH, samples, step, [len(labels)])[:, 0]
    left_out = uniform(seed, STREAM_LABEL_DROPOUT, samples, step, 1)[:, 0] < dropout
    return np.where(left_out, null, labels[index])


def defined(model: Network, weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """The losses and their gradient by the network's NumPy definition."""
    params, eps = parameters.views(weights, model.shapes), batch.eps
    outputs, caches = forward(model, params, batch.xt, batch.t, batch.labels, batch.draw)
    eps_hat, head = np.split(outputs, [eps.shape[1]], axis=1)
    found, doutputs = losses.noise_prediction(eps_hat, eps, batch.weighting)
    if model.learn_variance:
        more, dhead = losses.variance_loss(head, eps_hat, eps, batch.table)
        found, doutputs = found + more, np.concatenate([doutputs, dhead], axis=1)
    grads = backward(model, params, doutputs, caches)
    return found, np.concatenate([grads[name].ravel() for name in params])


def losses_and_gradient(
    model: Network,
    schedule: Schedule,
    weights: np.ndarray,
    x0: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    weighting: np.ndarray,
    table: np.ndarray,
    labels: np.ndarray | None = None,
    draw: Draw | None = None,
    gradient: Gradient = defined,
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted losses of a batch [N] at these weights [P], and their mean's gradient by them [P].

    `weighting` [T + 1] is lambda by t; `table` [T + 1, 6], `losses.bound_table`, is for a learned variance alone.
    `gradient` is the definition or its kernel.
    """
    alpha_bar = schedule.alpha_bar[t]
    xt = column(np.sqrt(alpha_bar), x0) * x0 + column(np.sqrt(1.0 - alpha_bar), x0) * eps
    return gradient(model, weights, Batch(xt, t, labels, draw, eps, weighting[t], table[t]))
