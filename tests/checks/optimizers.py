"""Adam as it is printed, step by step."""

from __future__ import annotations

import math

import numpy as np

from numpy_diffusion.training.optimizers import Adam, adam_step


def as_printed(theta: float, gradients: list[float], rates: list[float], adam: Adam) -> list[float]:
    """One weight through AdamW (Loshchilov and Hutter 2019, Algorithm 2; without decay, Kingma and Ba 2015)."""
    course, m, v = [], 0.0, 0.0
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = adam.beta1 * m + (1.0 - adam.beta1) * g
        v = adam.beta2 * v + (1.0 - adam.beta2) * g * g
        m_hat, v_hat = m / (1.0 - math.pow(adam.beta1, t)), v / (1.0 - math.pow(adam.beta2, t))
        theta = theta - rate * (m_hat / (math.sqrt(v_hat) + adam.epsilon) + adam.weight_decay * theta)
        course.append(theta)
    return course


def course(theta: np.ndarray, gradients: np.ndarray, rates: np.ndarray, adam: Adam) -> np.ndarray:
    """The weights [P] after each of the steps, gradients [steps, P]."""
    theta, m, v = theta.copy(), np.zeros_like(theta), np.zeros_like(theta)
    found = []
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        adam_step(theta, gradient, m, v, step, rate, adam)
        found.append(theta.copy())
    return np.array(found)


def check_adam(adam: Adam = Adam(weight_decay=0.1), steps: int = 300) -> None:  # noqa: B008
    """Weights whose gradients are of sizes from 1e-6 to 1e6, with one that changes its sign."""
    rng = np.random.default_rng(1)
    theta = rng.normal(size=5)
    gradients = (rng.normal(size=(steps, 5)) + 0.3) * 10.0 ** np.array([-6, -3, 0, 3, 6])
    rates = rng.uniform(1e-3, 1e-2, steps)
    expected = [as_printed(theta[p], gradients[:, p].tolist(), rates.tolist(), adam) for p in range(5)]
    np.testing.assert_allclose(course(theta, gradients, rates, adam).T, expected, rtol=1e-10, atol=1e-12)
