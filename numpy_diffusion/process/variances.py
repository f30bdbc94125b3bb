"""The variance of the reverse kernel p(x_s | x_t), beyond the two fixed ones of `reverse.reverse_variance`.

    learned   log sigma^2 between log beta_tilde and log beta, by a network's second head (Nichol and Dhariwal 2021)
    optimal   what makes the variational bound lowest for the mean that the network has (Bao et al. 2022a, 2022b);
              `evaluation.optimal_variance` finds it

Wherever a variance is an argument it is one of VARIANCES, or an array indexed by t: [T + 1], or [T + 1, ...] with a
value for each coordinate of a sample.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process import reverse
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.elementwise import each
from numpy_diffusion.process.schedules import Schedule

Variance = Literal[reverse.FixedVariance, "learned"]
VARIANCES: tuple[Variance, ...] = get_args(Variance)


def checked(
    variance: Variance | ArrayLike, schedule: Schedule, shape: tuple[int, ...], learn_variance: bool = True
) -> Variance | np.ndarray:
    """`variance` as a name of VARIANCES or a float64 array [T + 1] or [T + 1, *shape], not negative.

    `learn_variance` says whether the model has a head for the name "learned".
    """
    if isinstance(variance, str):
        name = _checks.choice("variance", variance, VARIANCES)
        if name == "learned" and not learn_variance:
            raise ValueError(
                'variance: expected "learned" with a model that learns its variance, such as '
                "MLP(..., learn_variance=True), got it with another"
            )
        return name
    given = _checks.array("variance", variance, None, np.float64, min_ndim=1)
    if given.shape not in ((schedule.T + 1,), (schedule.T + 1, *shape)):
        raise ValueError(
            f"variance: expected shape {[schedule.T + 1]} or {[schedule.T + 1, *shape]}, got {list(given.shape)}"
        )
    if given.min() < 0.0:
        raise ValueError(f"variance: expected values of at least 0, got {given.min():g}")
    return given


def learned_variance(
    schedule: Schedule, fraction: np.ndarray, t: np.ndarray | int, s: np.ndarray | int | None = None
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


def log_bounds(
    schedule: Schedule, t: np.ndarray | int, s: np.ndarray | int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """log beta_tilde, with the value that stands for its 0, and log beta, of p(x_s | x_t): [] or [N]."""
    s = t - 1 if s is None else s
    high, low = (reverse.step_variance(schedule, t, s, kind) for kind in reverse.FIXED_VARIANCES)
    second = schedule.beta_tilde[2] if schedule.T > 1 else schedule.beta[1]
    return each(math.log, np.where(low > 0.0, low, np.minimum(second, high))), each(math.log, high)


def from_error(schedule: Schedule, error: np.ndarray, t: np.ndarray | int, s: np.ndarray | int) -> np.ndarray:
    """The optimal variance of p(x_s | x_t) where E (eps - eps_hat)^2 is `error`: [...], or [K, ...] of steps [K]."""
    tilde = reverse.step_variance(schedule, t, s, "beta_tilde")
    return column(tilde, error) + column(reverse.error_weight(schedule, t, s), error) * error
