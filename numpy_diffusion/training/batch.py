"""What a training step draws, and the loss of it with its gradient.

Every draw is a function of (seed, sample in the batch, step): a run can go on anywhere, on any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.tasks import Batch, Dropout, Gradient
from numpy_diffusion.noise import (
    STREAM_BATCH,
    STREAM_FLIP,
    STREAM_LABEL_DROPOUT,
    STREAM_TRAIN,
    integers,
    normal,
    split_seed,
    uniform,
)
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.predictions import Prediction, target
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import losses

# Which of a step's draws leaves a field out: all that is of one text by one, so that it goes together.
DRAWS: Final = {"embedding": 1, "labels": 2, "low_resolution": 3}
OF_TEXTS: Final = 0


def draw(
    data: np.ndarray,
    steps: np.ndarray,
    samples: np.ndarray,
    seed: int,
    step: int,
    crop: int | None = None,
    backend: Backend = "numpy",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x0 [N, ...], t [N], one of `steps` [M], and eps like x0 or like its squares, of one training step.

    samples : their numbers in the batch [N], one behind the other
    """
    shape = data.shape[1:] if crop is None else (data.shape[1], crop, crop)
    index, t = picked(len(data), steps, samples, seed, step)
    eps = _noise(samples, math.prod(shape), seed, step, backend).reshape(len(samples), *shape)
    return data[index], t, eps.astype(data.dtype, copy=False)


def picked(n: int, steps: np.ndarray, samples: np.ndarray, seed: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n data a training step shows as these samples [N], and at which of `steps` [M]: int64 [N] each."""
    index, place = integers(seed, STREAM_BATCH, samples, step, [n, len(steps)]).T
    return index, steps[place]


def _noise(samples: np.ndarray, numbers: int, seed: int, step: int, backend: Backend) -> np.ndarray:
    """Normals of a training step, float32 [N, numbers]."""
    if backend == "numpy":
        return normal(seed, STREAM_TRAIN, samples, step, numbers)
    from numpy_diffusion.kernels import noising

    N = len(samples)
    steps, (signal, sigma) = np.full(N, step), np.array([[0.0], [1.0]], np.float32).repeat(N, axis=1)
    nothing = np.zeros((N, numbers), np.float32)
    return noising.noised(nothing, signal, sigma, steps, int(samples[0]), STREAM_TRAIN, split_seed(seed))[1]


def mirrored(x0: np.ndarray, samples: np.ndarray, seed: int, step: int) -> np.ndarray:
    """The images [N, C, H, W], each with left and right exchanged or as it is, by the toss of a coin."""
    flip = uniform(seed, STREAM_FLIP, samples, step, 1) < 0.5
    return np.where(flip[:, :, None, None], x0[..., ::-1], x0)


def drawn_condition(
    condition: Condition,
    nothing: Condition,
    n: int,
    dropout: float | Mapping[str, float],
    samples: np.ndarray,
    seed: int,
    step: int,
) -> Condition:
    """The conditions [N] of what `draw` draws of n samples, each with probability `dropout` nothing instead.

    So that one network learns the noise of every class and of all together, for classifier-free guidance.  With a
    probability for a field it is left out by itself, but all that is of a text together (Ramesh et al. 2022,
    section 2.1).
    """
    rows = condition.rows(integers(seed, STREAM_BATCH, samples, step, [n])[:, 0])
    if not dropout:
        return rows
    drawn = uniform(seed, STREAM_LABEL_DROPOUT, samples, step, 4)
    if isinstance(dropout, Mapping):
        return rows.left_out({name: drawn[:, DRAWS.get(name, OF_TEXTS)] < p for name, p in dropout.items()}, nothing)
    return rows.left_out(drawn[:, OF_TEXTS] < dropout, nothing)


def by_definition(model: Network) -> Gradient:
    """The losses and their gradient by the network's NumPy definition."""

    def gradient(weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        params = parameters.views(weights, model.shapes)
        outputs, caches = model.forward(params, batch.xt, batch.t, batch.condition, batch.dropout)
        predicted, head = np.split(outputs, [batch.target.shape[1]], axis=1)
        found, doutputs = losses.of_prediction(predicted, batch.target, batch.weighting)
        if model.learn_variance:
            more, dhead = losses.variance_loss(head, predicted, batch.target, batch.table)
            found, doutputs = found + more, np.concatenate([doutputs, dhead], axis=1)
        _, grads = model.backward(params, doutputs, caches)
        return found, np.concatenate([grads[name].ravel() for name in params])

    return gradient


def losses_and_gradient(
    gradient: Gradient,
    schedule: Schedule,
    weights: np.ndarray,
    x0: np.ndarray,
    t: np.ndarray,
    eps: np.ndarray,
    weighting: np.ndarray,
    table: np.ndarray,
    condition: Condition,
    dropout: Dropout | None = None,
    predicts: Prediction = "eps",
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted losses of a batch [N] at these weights [P], and their mean's gradient by them [P].

    `weighting` [T + 1] is lambda by t; `table` [T + 1, 6], `losses.bound_table`, is for a learned variance alone.
    `gradient` is the definition or its kernel.
    """
    alpha_bar = schedule.alpha_bar[t]
    xt = column(np.sqrt(alpha_bar), x0) * x0 + column(np.sqrt(1.0 - alpha_bar), x0) * eps
    judged_by = target(predicts, x0, eps, t, schedule)
    return gradient(weights, Batch(xt, t, condition, dropout, judged_by, weighting[t], table[t]))
