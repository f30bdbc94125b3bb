"""The variance of the reverse kernel p(x_s | x_t), beyond the two fixed ones of `reverse.reverse_variance`.

    learned   log sigma^2 between log beta_tilde and log beta, by a network's second head (Nichol and Dhariwal 2021)
    optimal   what makes the variational bound lowest for the mean that the network has (Bao et al. 2022a, 2022b)

Wherever a variance is an argument it is one of VARIANCES, or an array indexed by t: [T + 1], or [T + 1, ...] with a
value for each coordinate of a sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, reverse
from numpy_diffusion.forward import column, q_sample
from numpy_diffusion.schedules import Schedule

VARIANCES = (*reverse.VARIANCES, "learned")


def checked(variance: str | ArrayLike, schedule: Schedule, shape: tuple[int, ...], model: Any) -> str | np.ndarray:
    """`variance` as a name of VARIANCES or a float64 array [T + 1] or [T + 1, *shape], not negative."""
    if isinstance(variance, str):
        if _checks.choice("variance", variance, VARIANCES) == "learned" and not getattr(
            model, "learn_variance", False
        ):
            raise ValueError(
                'variance: expected "learned" with a model that learns its variance, such as '
                f"MLP(..., learn_variance=True), got {type(model).__name__}"
            )
        return variance
    given = _checks.array("variance", variance, None, np.float64, min_ndim=1)
    if given.shape not in ((schedule.T + 1,), (schedule.T + 1, *shape)):
        raise ValueError(
            f"variance: expected shape {[schedule.T + 1]} or {[schedule.T + 1, *shape]}, got {list(given.shape)}"
        )
    if given.min() < 0.0:
        raise ValueError(f"variance: expected values of at least 0, got {given.min():g}")
    return given


def learned_variance(
    schedule: Schedule, fraction: np.ndarray, t: ArrayLike, s: ArrayLike | None = None
) -> np.ndarray:
    """sigma^2 = exp(v log beta_t + (1 - v) log beta_tilde_t), v the network's fraction (Nichol and Dhariwal eq 15).

    The logarithms are interpolated, not the variances.  beta_tilde is 0 where the chain ends, s = 0: there its value
    at t = 2 stands for it, as in their code.

    Parameters
    ----------
    fraction : [N, ...], usually in 0..1, but not confined to it
    t : int or int array [N], in 1..T
    s : the step that the chain goes to, below t; t - 1 unless given

    Examples
    --------
    >>> schedule = Schedule.linear(T=1000)
    >>> learned_variance(schedule, np.array([[1.0, 0.0]]), 500).round(6).tolist()
    [[0.01004, 0.010031]]
    """
    low, high = log_bounds(schedule, t, s)
    return np.exp(column(low, fraction) + column(high - low, fraction) * fraction)


def log_bounds(schedule: Schedule, t: ArrayLike, s: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """log beta_tilde, with the value that stands for its 0, and log beta, of p(x_s | x_t): [] or [N]."""
    high = np.asarray(reverse.reverse_variance(schedule, t, "beta", s))
    low = np.asarray(reverse.reverse_variance(schedule, t, "beta_tilde", s))
    second = schedule.beta_tilde[2] if schedule.T > 1 else schedule.beta[1]
    return np.log(np.where(low > 0.0, low, np.minimum(second, high))), np.log(high)


def optimal_variance(
    model: Any, schedule: Schedule, x0: ArrayLike, seed: int = 0, *, steps: int | ArrayLike | None = None
) -> np.ndarray:
    """The variance that makes the bound on this data lowest, for the mean that the model has.

    sigma_t^2 = beta_tilde_ts + beta_ts^2 / (alpha_ts (1 - alpha_bar_t)) E (eps - eps_hat)^2

    (Bao et al. 2022b, "Estimating the optimal covariance with imperfect mean", eq 12).  For a perfect mean
    E (eps - eps_hat)^2 = 1 - E eps_hat^2, which is their first paper's form (Analytic-DPM, eq 8).

    Parameters
    ----------
    model : eps = model(x, t)
    x0 : [N, ...] data, in its own units; each step's expectation is the mean over these samples
    seed : of the noise
    steps : the steps of the chain, as for `sample`; all unless given

    Returns
    -------
    float64 [T + 1, ...] by t, for each coordinate of a sample; its mean over coordinates is the papers' isotropic
    variance.  0 at steps that the chain does not visit.

    Examples
    --------
    >>> from numpy_diffusion.oracles import Gaussian
    >>> schedule, data = Schedule.linear(T=10), Gaussian([0.0], [[1.0]])
    >>> found = optimal_variance(data.eps(schedule), schedule, data.sample(20_000, seed=0))
    >>> bool(np.allclose(found[1:, 0], schedule.beta[1:], rtol=0.05))  # N(0, I) keeps its variance by beta
    True
    """
    x0 = (_checks.array("x0", x0, min_ndim=2) - getattr(model, "shift", 0.0)) / getattr(model, "scale", 1.0)
    x0 = np.asarray(x0, np.float32)
    found = np.zeros((_checks.instance("schedule", schedule, Schedule).T + 1, *x0.shape[1:]))
    for t, s in zip(*(ends.tolist() for ends in reverse.chosen_pairs(schedule, steps)), strict=True):
        xt, eps = q_sample(x0, t, schedule, seed)
        error = _checks.array(f"model: eps at t = {t}", model(xt, t), x0.shape).astype(np.float64) - eps
        found[t] = from_error(schedule, (error**2).mean(axis=0), t, s)
    return found


def from_error(schedule: Schedule, error: np.ndarray, t: ArrayLike, s: ArrayLike) -> np.ndarray:
    """The optimal variance of p(x_s | x_t) where E (eps - eps_hat)^2 is `error`: [...], or [K, ...] of steps [K]."""
    t, s = np.asarray(t), np.asarray(s)
    tilde = reverse.reverse_variance(schedule, t, "beta_tilde", s)
    return column(tilde, error) + column(reverse.error_weight(schedule, t, s), error) * error
