"""Adam with decoupled weight decay, the learning rate's course, and the moving average of the weights."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.models.tasks import Adam


def adam_step(
    parameters: np.ndarray,
    gradient: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    step: int,
    learning_rate: float,
    settings: Adam,
) -> None:
    """One step of AdamW, in place on parameters, m and v, all [P]; `step` counts from 1.

    m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
    theta -= rate (m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon) + decay theta)
    """
    m += (1.0 - settings.beta1) * (gradient - m)
    v += (1.0 - settings.beta2) * (gradient**2 - v)
    m_hat = m / (1.0 - settings.beta1**step)
    v_hat = v / (1.0 - settings.beta2**step)
    update = m_hat / (np.sqrt(v_hat) + settings.epsilon) + settings.weight_decay * parameters
    parameters -= learning_rate * update


def learning_rates(peak: float, steps: int, warmup: int) -> np.ndarray:
    """The rate of steps 1..steps: linear up to `peak` in `warmup` steps, then a half cosine towards 0: [steps].

    (Loshchilov and Hutter 2017, eq 5, without restarts.)

    Examples
    --------
    >>> learning_rates(1.0, 6, 2).round(3).tolist()
    [0.5, 1.0, 0.905, 0.655, 0.345, 0.095]
    """
    step = np.arange(1, steps + 1)
    rising = step / max(warmup, 1)
    falling = 0.5 * (1.0 + np.cos(np.pi * np.clip((step - warmup) / (steps - warmup + 1), 0.0, 1.0)))
    return peak * np.where(step <= warmup, rising, falling)


def average_decays(decay: float, first: int, last: int) -> np.ndarray:
    """The average's decay at steps first..last, lower at first so that the initial weights are soon forgotten.

    min(decay, (1 + step) / (10 + step)), as TensorFlow's moving average with `num_updates`.
    """
    step = np.arange(first, last + 1)
    return np.minimum(decay, (1.0 + step) / (10.0 + step))


def average_step(average: np.ndarray, parameters: np.ndarray, decay: float) -> None:
    """average = decay average + (1 - decay) parameters, in place (Ho et al. 2020, appendix B)."""
    average += (1.0 - decay) * (parameters - average)
