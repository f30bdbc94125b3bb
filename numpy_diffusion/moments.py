"""Exact moments down the reverse chain where the data is Gaussian and the model is its oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.oracles import Gaussian
from numpy_diffusion.schedules import Schedule


def chain_moments(
    gaussian: Gaussian,
    schedule: Schedule,
    coefficients: Any,
    mean_T: ArrayLike | None = None,
    covariance_T: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean and covariance of every x_t down a reverse chain that has the Gaussian's eps* as its model.

    eps*(x, t) = sqrt(1 - alpha_bar_t) S^-1 (x - sqrt(alpha_bar_t) m), S = alpha_bar_t C + (1 - alpha_bar_t) I, is
    affine in x, so a step x_s = a x + b eps* + c z takes a Gaussian to a Gaussian.

    Parameters
    ----------
    gaussian : the data
    schedule : of the model
    coefficients : the sampler's steps in the order taken: anything with arrays t, s, a, b, c [K], where s is the
        next t, and 0 at the end (`reverse.coefficients` makes them)
    mean_T : [D], of the chain's start; zero unless given
    covariance_T : [D, D], of the chain's start; the identity unless given

    Returns
    -------
    means : float64 [K + 1, D], of the start and after each step
    covariances : float64 [K + 1, D, D]

    Raises
    ------
    ValueError : data that is not one Gaussian, steps that do not follow each other, shapes, NaN

    Examples
    --------
    One step of DDIM from t = 1000 to the end, x_0 = (x - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar):

    >>> from types import SimpleNamespace
    >>> schedule = Schedule.linear()
    >>> root, sigma = np.sqrt(schedule.alpha_bar[1000]), np.sqrt(1.0 - schedule.alpha_bar[1000])
    >>> step = SimpleNamespace(t=[1000], s=[0], a=[1.0 / root], b=[-sigma / root], c=[0.0])
    >>> means, covariances = chain_moments(Gaussian([3.0], [[4.0]]), schedule, step)
    >>> means.round(3).tolist()  # the data's mean: too long a step loses the data's spread, not its mean
    [[0.0], [3.0]]
    """
    _checks.instance("gaussian", gaussian, Gaussian)
    _checks.instance("schedule", schedule, Schedule)
    t, a, b, c = _checked_steps(coefficients, schedule.T)
    values, vectors = gaussian.eigenvalues[0], gaussian.eigenvectors[0]
    D = len(values)
    mean = np.zeros(D) if mean_T is None else _checks.array("mean_T", mean_T, (D,), np.float64)
    start = np.eye(D) if covariance_T is None else _checks.covariance("covariance_T", covariance_T, D)

    # Along the eigenvectors of C each step multiplies coordinate d by one number, slope[d].
    m, mean, covariance = vectors.T @ gaussian.mean, vectors.T @ mean, vectors.T @ start @ vectors
    means, covariances = [mean], [covariance]
    for k, alpha_bar in enumerate(schedule.alpha_bar[t]):
        slope_eps = np.sqrt(1.0 - alpha_bar) / (alpha_bar * values + (1.0 - alpha_bar))
        slope = a[k] + b[k] * slope_eps
        mean = slope * mean - b[k] * slope_eps * np.sqrt(alpha_bar) * m
        covariance = slope[:, None] * covariance * slope + c[k] ** 2 * np.eye(D)
        means.append(mean)
        covariances.append(covariance)
    return np.array(means) @ vectors.T, vectors @ np.array(covariances) @ vectors.T


def _checked_steps(coefficients: Any, T: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """t, a, b, c as arrays [K] of one length, of steps each of which starts where the one before it ended."""
    missing = [name for name in "tsabc" if not hasattr(coefficients, name)]
    if missing:
        raise ValueError(f"coefficients: expected arrays t, s, a, b, c, got none named {', '.join(missing)}")
    t = _checks.steps("coefficients.t", np.atleast_1d(coefficients.t), 1, T)
    s = _checks.steps("coefficients.s", np.atleast_1d(coefficients.s), 0, T, len(t))
    if (t[1:] != s[:-1]).any():
        k = int(np.argmax(t[1:] != s[:-1]))
        raise ValueError(f"coefficients.t: expected t[{k + 1}] to be s[{k}] = {s[k]}, got {t[k + 1]}")
    a, b, c = (
        _checks.array(f"coefficients.{name}", np.atleast_1d(getattr(coefficients, name)), (len(t),), np.float64)
        for name in "abc"
    )
    return t, a, b, c
