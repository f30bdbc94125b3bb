"""What the chain must be, from beta alone and sharing no code with the package."""

from __future__ import annotations

import numpy as np

from numpy_diffusion.process.schedules import Schedule

SCHEDULES = {
    f"{name} {T}": getattr(Schedule, name)(T)
    for name in ("linear", "cosine", "quadratic", "sigmoid")
    for T in (1, 2, 10, 1000)
}


def log_kept(schedule: Schedule, t: np.ndarray | int, s: np.ndarray | int = 0) -> np.ndarray:
    """log(alpha_bar_t / alpha_bar_s): the sum of log(1 - beta) over steps s + 1..t."""
    total = np.cumsum(np.log1p(-schedule.beta))
    return total[t] - total[s]


def kernel(schedule: Schedule, t: np.ndarray | int, s: np.ndarray | int = 0) -> tuple[np.ndarray, np.ndarray]:
    """q(x_t | x_s) = N(signal x_s, variance I): signal and variance."""
    kept = log_kept(schedule, t, s)
    return np.exp(0.5 * kept), -np.expm1(kept)


def posterior(schedule: Schedule, x0: np.ndarray, xt: np.ndarray, t: int, s: int) -> tuple[np.ndarray, float]:
    """Mean and variance of q(x_s | x_t, x_0) by Bayes' rule: the product of q(x_s | x_0) and q(x_t | x_s).

    Precisions add, and the mean is the mean of the two, each weighted by its precision.
    """
    if s == 0:
        return x0, 0.0
    signal_s, variance_s = kernel(schedule, s)
    signal_ts, variance_ts = kernel(schedule, t, s)
    precision = 1.0 / variance_s + signal_ts**2 / variance_ts
    return (signal_s * x0 / variance_s + signal_ts * xt / variance_ts) / precision, 1.0 / precision


def assert_gaussian_moments(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Draws [N, D] of N(mean, covariance) have these moments to five standard errors.

    Those of the mean are sqrt(C_ii / N), those of the covariance sqrt((C_ii C_jj + C_ij^2) / N) (Isserlis).
    """
    offset = x.astype(np.float64) - mean
    variance = np.diag(covariance)
    assert (np.abs(offset.mean(axis=0)) <= 5.0 * np.sqrt(variance / len(x))).all()
    error = np.abs(offset.T @ offset / len(x) - covariance)
    assert (error <= 5.0 * np.sqrt((np.outer(variance, variance) + covariance**2) / len(x))).all()
