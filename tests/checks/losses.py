"""What the weights of the loss must be."""

from __future__ import annotations

import math

import numpy as np
from checks.exact import kernel, posterior

from numpy_diffusion.process.reverse import mu_from_eps
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.losses import (
    weights,
)


def gaussian_kl(mean: np.ndarray, variance: float, other_mean: np.ndarray, other_variance: float) -> float:
    """KL(N(mean, variance I) || N(other_mean, other_variance I)) in nats."""
    ratio = variance / other_variance
    distance = ((mean - other_mean) ** 2).sum() / other_variance
    return 0.5 * float(distance + mean.size * (ratio - 1.0 - math.log(ratio)))


def check_vlb(schedule: Schedule) -> None:
    """What a wrong eps adds to KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) is lambda(t) |eps - eps_hat|^2.

    At t = 1 the posterior is a point, whose own term -log p(x_0 | x_1) differs from the KL by what is the same for
    every eps_hat: a tiny variance stands for it.
    """
    rng, lambda_t = np.random.default_rng(1), weights(schedule, "vlb")
    for t in range(1, schedule.T + 1):
        x0, eps, error = rng.normal(size=(3, 1, 3))
        signal, noise = kernel(schedule, t)
        xt = signal * x0 + math.sqrt(noise) * eps
        mean, variance = posterior(schedule, x0, xt, t, t - 1)
        right, off = (
            gaussian_kl(mean, variance or 1e-9, mu_from_eps(xt, eps_hat, t, schedule), schedule.beta[t])
            for eps_hat in (eps, eps + error)
        )
        # two numbers of size `off` are subtracted, and mu is off by up to 1e-12 / signal (see test_reverse.py)
        allowed = 1e-9 * off + 1e-9 / signal
        assert abs((off - right) - lambda_t[t] * (error**2).sum()) <= allowed


def check_min_snr(schedule: Schedule) -> None:
    """min(snr, 5) / snr, and 1 where no signal is left at all."""
    signal, noise = kernel(schedule, np.arange(1, schedule.T + 1))
    snr = signal**2 / noise
    expected = [min(value, 5.0) / value if value else 1.0 for value in snr]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(weights(schedule, "min_snr")[1:], expected, rtol=1e-10)


NO_SIGNAL = Schedule.from_beta([0.5, *[1.0 - 1e-15] * 30])
