"""The slips of lab 2, and that its right functions are the package's and a Gaussian's."""

from __future__ import annotations

import numpy as np
import pytest
from checks.slips import told_apart

from numpy_diffusion.evaluation.exercise import check
from numpy_diffusion.evaluation.slips import posterior
from numpy_diffusion.process.forward import q_posterior
from numpy_diffusion.process.schedules import Schedule


@pytest.mark.parametrize("exercise", [posterior.POSTERIOR, posterior.KL])
def test_slips_are_told_apart(exercise):
    told_apart(exercise)


def test_precisions_added_up_as_they_stand_divide_by_zero_at_the_end():
    def added(x0, xt, t, beta, alpha_bar):
        alpha, noise = 1.0 - beta[t], 1.0 - alpha_bar[t - 1]
        variance = 1.0 / (alpha / beta[t] + 1.0 / noise)
        return (np.sqrt(alpha) / beta[t] * xt + np.sqrt(alpha_bar[t - 1]) / noise * x0) * variance, variance

    assert check(posterior.POSTERIOR, added).slip == "precisions"


@pytest.mark.parametrize("t", [1, 2, 17, 50])
def test_the_posterior_is_the_packages(t):
    schedule = Schedule.linear(50)
    x0, xt = np.random.default_rng(0).normal(size=(2, 3, 2))
    found = posterior.POSTERIOR.right(x0, xt, t, schedule.beta, schedule.alpha_bar)
    for ours, theirs in zip(found, q_posterior(x0, xt, t, schedule), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_divergence_is_that_of_an_integral():
    x = np.linspace(-20.0, 20.0, 200_001)

    def log_density(mean, variance):
        return -0.5 * (np.log(2.0 * np.pi * variance) + (x - mean) ** 2 / variance)

    q, p = log_density(0.3, 0.5), log_density(-1.0, 2.0)
    integral = (np.exp(q) * (q - p)).sum() * (x[1] - x[0])
    given = (np.array([[value]]) for value in (0.3, 0.5, -1.0, 2.0))
    np.testing.assert_allclose(posterior.KL.right(*given), [integral], rtol=1e-9)
