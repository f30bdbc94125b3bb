"""Exact moments down the reverse chain where the data is Gaussian and the model is its oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_pairs
from numpy_diffusion.process.variances import from_error


def chain_moments(
    gaussian: Gaussian,
    schedule: Schedule,
    coefficients: Any,
    mean_T: ArrayLike | None = None,
    covariance_T: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean and covariance of every x_t down a reverse chain that has the Gaussian's eps* as its model.

    eps*(y, t) = sqrt(1 - alpha_bar_t) S^-1 (y - sqrt(alpha_bar_t) m), S = alpha_bar_t C + (1 - alpha_bar_t) I, is
    affine in y, so a row of the table takes a Gaussian to a Gaussian: that of base, point and past predictions.

    Parameters
    ----------
    gaussian : the data
    schedule : of the model
    coefficients : the sampler's rows in the order taken: `solvers.Coefficients`, or anything with arrays t, s, a, b,
        c of steps x_s = a x + b eps* + c z.  [K] each, b [K] or [K, 3], c [K] or [K, D]; s is the next t
    mean_T : [D], of the chain's start; zero unless given
    covariance_T : [D, D], of the chain's start; the identity unless given

    Returns
    -------
    means : float64 [K + 1, D], of the start and of where each row lands
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
    rows = _checked_rows(coefficients, schedule.T, len(gaussian.mean))
    values, vectors = gaussian.eigenvalues[0], gaussian.eigenvectors[0]
    D = len(values)
    mean = np.zeros(D) if mean_T is None else _checks.array("mean_T", mean_T, (D,), np.float64)
    start = np.eye(D) if covariance_T is None else _checks.covariance("covariance_T", covariance_T, D)

    # The state is base, point, d1, d2 along the eigenvectors of C, where a row takes each coordinate by itself.
    m, state, joint = vectors.T @ gaussian.mean, np.zeros((4, D)), np.zeros((4, D, 4, D))
    state[:2], joint[:2, :, :2] = vectors.T @ mean, (vectors.T @ start @ vectors)[:, None]
    means, covariances = [state[1]], [joint[1, :, 1]]
    for t, p, q, a, b, c, accept in zip(*rows, strict=True):
        alpha_bar = schedule.alpha_bar[t]
        slope = np.sqrt(1.0 - alpha_bar) / (alpha_bar * values + (1.0 - alpha_bar))
        matrix, offset = _row(p + q * slope, -q * slope * np.sqrt(alpha_bar) * m, a, b, accept)
        state = np.einsum("dij,jd->id", matrix, state) + offset
        joint = np.einsum("dik,kdle,ejl->idje", matrix, joint, matrix)
        noise = (vectors.T * np.broadcast_to(c, D) ** 2) @ vectors
        moved = slice(0 if accept else 1, 2)  # the noise is that of the point, and of the base if it moves there
        joint[moved, :, moved] += noise[:, None]
        means.append(state[1])
        covariances.append(joint[1, :, 1])
    return np.array(means) @ vectors.T, vectors @ np.array(covariances) @ vectors.T


def _row(
    slope: np.ndarray, offset: np.ndarray, a: float, b: np.ndarray, accept: bool
) -> tuple[np.ndarray, np.ndarray]:
    """How a row takes (base, point, d1, d2): [D, 4, 4], and what it adds: [4, D]; d0 = slope point + offset, [D]."""
    zero = np.zeros_like(slope)
    point = np.stack([zero + a, b[0] * slope, zero + b[1], zero + b[2]], axis=1)
    base = point if accept else np.tile([1.0, 0.0, 0.0, 0.0], (len(slope), 1))
    newest = np.stack([zero, slope, zero, zero], axis=1)
    before = np.tile([0.0, 0.0, 1.0, 0.0], (len(slope), 1))
    added = np.stack([accept * b[0] * offset, b[0] * offset, offset, zero])
    return np.stack([base, point, newest, before], axis=1), added


def gaussian_optimal_variance(gaussian: Gaussian, schedule: Schedule, steps: Any = None) -> np.ndarray:
    """`evaluation.optimal_variance` in closed form, where the model is the Gaussian's eps*: float64 [T + 1, D].

    Given x_t, eps has the covariance I - (1 - alpha_bar_t) S^-1, S = alpha_bar_t C + (1 - alpha_bar_t) I.

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> variance = gaussian_optimal_variance(Gaussian([0.0], [[1.0]]), schedule)
    >>> bool(np.allclose(variance[:, 0], schedule.beta))  # N(0, I) keeps its variance by beta
    True
    """
    _checks.instance("gaussian", gaussian, Gaussian)
    values, vectors = gaussian.eigenvalues[0], gaussian.eigenvectors[0]
    found = np.zeros((_checks.instance("schedule", schedule, Schedule).T + 1, len(values)))
    t, s = chosen_pairs(schedule, steps)
    alpha_bar = schedule.alpha_bar[t][:, None]
    error = alpha_bar * values / (alpha_bar * values + (1.0 - alpha_bar))
    found[t] = from_error(schedule, error @ vectors.T**2, t, s)
    return found


def _checked_rows(coefficients: Any, T: int, D: int) -> tuple[np.ndarray, ...]:
    """t, p, q, a, b, c, accept of rows each of which starts where the one before it ended."""
    missing = [name for name in "tsabc" if not hasattr(coefficients, name)]
    if missing:
        raise ValueError(f"coefficients: expected arrays t, s, a, b, c, got none named {', '.join(missing)}")
    t = _checks.steps("coefficients.t", np.atleast_1d(coefficients.t), 1, T)
    s = _checks.steps("coefficients.s", np.atleast_1d(coefficients.s), 0, T, K := len(t))
    if (t[1:] != s[:-1]).any():
        k = int(np.argmax(t[1:] != s[:-1]))
        raise ValueError(f"coefficients.t: expected t[{k + 1}] to be s[{k}] = {s[k]}, got {t[k + 1]}")
    if np.any(getattr(coefficients, "learned", False)):
        raise ValueError("coefficients.learned: expected rows whose variance is known, got some that a network says")
    rows, widths = [], {"b": 3, "c": D}
    defaults = {"p": np.zeros(K), "q": np.ones(K)}  # of rows whose prediction is eps itself
    for name in "pqabc":
        values = np.atleast_1d(getattr(coefficients, name, defaults.get(name, 0.0)))
        shape = (K, widths[name]) if values.ndim == 2 and name in widths else (K,)
        rows.append(_checks.array(f"coefficients.{name}", values, shape, np.float64))
    p, q, a, b, c = rows
    if b.ndim == 1:
        b = np.stack([b, 0.0 * b, 0.0 * b], axis=1)
    return t, p, q, a, b, c, np.asarray(getattr(coefficients, "accept", np.ones(K)), bool)
