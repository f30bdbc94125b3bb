"""The log-density of a trajectory under the model (article, eq 7), and estimates of log p(x_0) from trajectories.

    log p(x_{0:T}) = log p(x_T) + sum over t of log p(x_{t-1} | x_t)

Each factor is a Gaussian with the mean of `reverse.mu_from_eps`; for 8-bit data the last, p(x_0 | x_1), is a
probability of the integers 0..255 (Ho et al. 2020, eq 13).  All is float64 but for the call of a float32 network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._progress import counted
from numpy_diffusion.evaluation.setting import checked, forward_steps, log_prior, log_step
from numpy_diffusion.noise import STREAM_TRAJECTORY, WORD_RANGE
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance


def trajectory_log_density(
    model: Any,
    schedule: Schedule,
    chain: Mapping[int, ArrayLike] | ArrayLike,
    variance: Variance | ArrayLike = "beta",
    prior: Gaussian | None = None,
) -> np.ndarray:
    """log p(x_{0:T}) of whole reverse chains, in nats (article eq 7; Ho et al. eq 1).

    Parameters
    ----------
    model : eps = model(x, t)
    chain : {t: x_t [N, ...]} with every step 0..T, as `sample(..., keep=range(T + 1))` returns it, or an array
        [T + 1, N, ...]; in the data's own units
    variance : of p(x_{t-1} | x_t): "beta", "beta_tilde" (with its value at t = 2 for its 0 at t = 1), "learned", or
        an array [T + 1] or [T + 1, ...] by t, positive from t = 1 on
    prior : p(x_T) in the model's units, with a regular covariance; N(0, I) unless given

    Returns
    -------
    float64 [N]; a density of T + 1 points in the data's units

    Raises
    ------
    ValueError : a step that is missing, shapes that differ, a variance that is not positive, NaN

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> trajectory_log_density(lambda x, t: x, schedule, np.zeros((11, 1, 2))).round(4).tolist()
    [-8.7901]
    """
    T = _checks.instance("schedule", schedule, Schedule).T
    points = chain if isinstance(chain, Mapping) else _checks.array("chain", chain, None, np.float64, min_ndim=3)
    missing = set(range(T + 1)) - set(points if isinstance(points, Mapping) else range(len(points)))
    if missing or len(points) > T + 1:
        got = f"none at t = {min(missing)}" if missing else f"{len(points)}"
        raise ValueError(f"chain: expected x_t for every step 0..{T}, got {got}")
    start = _checks.array("chain[0]", points[0], None, np.float64)
    setting = checked(model, schedule, start, variance, prior, "chain[0]")
    total, x = np.zeros(len(start)), setting.u
    for t in range(1, T + 1):
        xt = setting.units.to_model(_checks.array(f"chain[{t}]", points[t], x.shape, np.float64))
        total, x = total + log_step(setting, x, xt, t) - (setting.units.log_scale if t > 1 else 0.0), xt
    return total + log_prior(prior, x) - setting.units.log_scale


def importance_weighted(
    model: Any,
    schedule: Schedule,
    x0: ArrayLike,
    K: int,
    seed: int = 0,
    *,
    variance: Variance | ArrayLike = "beta",
    prior: Gaussian | None = None,
    progress: bool = True,
) -> np.ndarray:
    """log of the mean of p(x_{0:T}) / q(x_{1:T} | x_0) over K forward trajectories (Burda et al. 2016, eq 8).

    In expectation it is a lower bound of log p(x_0): for K = 1 minus the variational bound, and tighter as K grows.

    Parameters
    ----------
    x0 : [N, ...] data in its own units; dtype uint8 is 8-bit data, whose result is the log of a probability
    K : trajectories a sample; memory grows with N K
    seed : of the trajectories; trajectory k of sample i is the same for every N and K
    model, variance, prior : as for `trajectory_log_density`
    progress : show a bar on standard error, if it takes longer than a second

    Returns
    -------
    float64 [N], in nats

    Raises
    ------
    ValueError : an argument out of its range, a variance that is not positive, a model's NaN

    Examples
    --------
    >>> schedule = Schedule.linear(T=10)
    >>> oracle = Gaussian([0.0], [[1.0]]).eps(schedule)  # N(0, 1) itself, for which "beta" is the right variance
    >>> importance_weighted(oracle, schedule, [[0.0], [1.0]], K=100).round(2).tolist()
    [-0.92, -1.42]
    """
    setting = checked(model, schedule, x0, variance, prior)
    K = _checks.integer("K", K, 1, WORD_RANGE // (schedule.T + 1))
    log_weight = np.zeros(len(setting.u) * K)
    steps = forward_steps(setting, _checks.seed(seed), STREAM_TRAJECTORY, K)
    for step in counted(steps, "trajectories", schedule.T, "steps", show=progress):
        log_weight += step.log_p - step.log_q
    log_weight = (log_weight + log_prior(prior, step.xt)).reshape(-1, K)
    largest = log_weight.max(axis=1)
    return largest + np.log(np.exp(log_weight - largest[:, None]).mean(axis=1))
