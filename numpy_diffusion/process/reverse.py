"""The reverse chain's kernel p(x_s | x_t): its mean from the predicted noise, its variance, and the steps of a chain
(article, Algorithm 1; Ho et al. 2020, eqs 6-7, 11).

A chain may skip steps: from t it goes to the next chosen step s < t.  With
alpha_ts = alpha_bar_t / alpha_bar_s and beta_ts = 1 - alpha_ts the formulas of the full chain, s = t - 1, hold as
they are printed.
"""

from __future__ import annotations

from typing import Literal, assert_never, get_args

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.schedules import Schedule

FixedVariance = Literal["beta", "beta_tilde"]
FIXED_VARIANCES: tuple[FixedVariance, ...] = get_args(FixedVariance)


def mu_from_eps(
    xt: ArrayLike, eps: ArrayLike, t: ArrayLike, schedule: Schedule, s: ArrayLike | None = None
) -> np.ndarray:
    """mu = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t), the mean of p(x_s | x_t) (Ho et al. eq 11).

    Parameters
    ----------
    xt, eps : [N, ...]
    t : int or int array [N], in 1..T
    s : the step that the chain goes to, below t; t - 1 unless given

    Returns
    -------
    [N, ...]

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> mu_from_eps(np.ones((1, 2)), np.zeros((1, 2)), 1, schedule).round(4)
    array([[1.005, 1.005]])
    """
    xt, eps = _arrays(xt, eps)
    t, s = _pair(t, s, schedule, len(xt))
    return step_mean(xt, eps, t, s, schedule)


def x0_from_eps(xt: ArrayLike, eps: ArrayLike, t: ArrayLike, schedule: Schedule) -> np.ndarray:
    """x_0 = (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t) (Ho et al. eq 9 solved for x_0): [N, ...]."""
    xt, eps = _arrays(xt, eps)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(xt))
    alpha_bar = schedule.alpha_bar[t]
    return column(1.0 / np.sqrt(alpha_bar), xt) * (xt - column(np.sqrt(1.0 - alpha_bar), xt) * eps)


def reverse_variance(
    schedule: Schedule, t: ArrayLike, kind: FixedVariance = "beta", s: ArrayLike | None = None
) -> np.ndarray:
    """sigma^2 of p(x_s | x_t) (Ho et al. section 3.2).

    Parameters
    ----------
    kind : "beta", optimal for x_0 ~ N(0, I), or "beta_tilde", optimal for a fixed x_0 (Ho et al. eq 7)

    Examples
    --------
    >>> schedule = Schedule.linear(T=1000)
    >>> float(reverse_variance(schedule, 1000)), float(reverse_variance(schedule, 1, "beta_tilde"))
    (0.02, 0.0)
    """
    _checks.choice("kind", kind, FIXED_VARIANCES)
    t, s = _pair(t, s, schedule)
    return step_variance(schedule, t, s, kind)


# The same formulas without checks, for loops over the steps of a chain; t and s are ints or int arrays.


def step_mean(
    xt: np.ndarray, eps: np.ndarray, t: np.ndarray | int, s: np.ndarray | int, schedule: Schedule
) -> np.ndarray:
    """`mu_from_eps`, unchecked."""
    alpha, beta = skipped(schedule, t, s)
    return column(1.0 / np.sqrt(alpha), xt) * (xt - column(beta / np.sqrt(1.0 - schedule.alpha_bar[t]), xt) * eps)


def step_variance(
    schedule: Schedule, t: np.ndarray | int, s: np.ndarray | int, kind: FixedVariance = "beta"
) -> np.ndarray:
    """`reverse_variance`, unchecked."""
    beta = skipped(schedule, t, s)[1]
    match kind:
        case "beta":
            return beta
        case "beta_tilde":
            return beta * (1.0 - schedule.alpha_bar[s]) / (1.0 - schedule.alpha_bar[t])
        case _:
            assert_never(kind)


def skipped(schedule: Schedule, t: np.ndarray | int, s: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """alpha_ts and beta_ts of the step from s to t.

    Where s = t - 1 they are the schedule's own to the bit: a quotient of two alpha_bar would round.
    """
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    neighbours = s == t - 1
    return np.where(neighbours, schedule.alpha[t], alpha), np.where(neighbours, schedule.beta[t], 1.0 - alpha)


def error_weight(schedule: Schedule, t: np.ndarray | int, s: np.ndarray | int) -> np.ndarray:
    """w = beta_ts^2 / (alpha_ts (1 - alpha_bar_t)), what an error of eps weighs in the bound (Ho et al. eq 12).

    The means of q(x_s | x_t, x_0) and p(x_s | x_t) differ by sqrt(w) (eps - eps_hat); in eq 12 stands
    w / (2 sigma^2).
    """
    alpha, beta = skipped(schedule, t, s)
    return beta**2 / alpha * (1.0 + schedule.snr[t])  # 1 - alpha_bar is 1 / (1 + SNR)


def log_noise(schedule: Schedule, t: np.ndarray | int) -> np.ndarray:
    """log(1 - alpha_bar_t), as -log(1 + SNR_t): exact where alpha_bar_t is so near 1 that 1 - alpha_bar_t rounds."""
    return -np.logaddexp(0.0, schedule.log_snr[t])


def _arrays(xt: ArrayLike, eps: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    xt = _checks.array("xt", xt, min_ndim=2)
    return xt, _checks.array("eps", eps, xt.shape)


def _pair(
    t: ArrayLike, s: ArrayLike | None, schedule: Schedule, n: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, n)
    s = t - 1 if s is None else _checks.steps("s", s, 0, schedule.T, n)
    if (s >= t).any():
        raise ValueError("s: expected a step below t, got one that is not")
    return t, s
