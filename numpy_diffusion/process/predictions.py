"""What a network may predict, eps, x_0 or v, and the way from each to eps (Salimans and Ho 2022, arXiv 2202.00512).

x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps and v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 turn
(x_0, eps) by an angle, so any two of the four give the others.  `reverse.x0_from_eps` leads on from eps;
`models.converted` makes a model of eps of one that predicts something else.
"""

from __future__ import annotations

from typing import Literal, assert_never, get_args

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.schedules import Schedule

Prediction = Literal["eps", "x0", "v"]
PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)


def eps_from_x0(xt: ArrayLike, x0: ArrayLike, t: ArrayLike, schedule: Schedule) -> np.ndarray:
    """eps = (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t) (Ho et al. 2020, eq 4 solved for eps): [N, ...].

    Parameters
    ----------
    xt, x0 : [N, ...]
    t : int or int array [N], in 1..T

    Examples
    --------
    >>> schedule = Schedule.from_beta([0.36, 0.99])
    >>> eps_from_x0([[1.0]], [[0.5]], 1, schedule).tolist()  # (1 - 0.8 * 0.5) / 0.6
    [[1.0]]
    """
    return eps_from("x0", xt, x0, t, schedule)


def eps_from_v(xt: ArrayLike, v: ArrayLike, t: ArrayLike, schedule: Schedule) -> np.ndarray:
    """eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t (Salimans and Ho 2022, appendix D): [N, ...]."""
    return eps_from("v", xt, v, t, schedule)


def v_from_x0_and_eps(x0: ArrayLike, eps: ArrayLike, t: ArrayLike, schedule: Schedule) -> np.ndarray:
    """v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0, what a v-network is trained on: [N, ...].

    Examples
    --------
    >>> v_from_x0_and_eps([[1.0]], [[0.0]], 1, Schedule.from_beta([0.36, 0.99])).round(6).tolist()
    [[-0.6]]
    """
    x0 = _checks.array("x0", x0, min_ndim=2)
    eps = _checks.array("eps", eps, x0.shape)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(x0))
    alpha_bar = schedule.alpha_bar[t]
    return column(np.sqrt(alpha_bar), x0) * eps - column(np.sqrt(1.0 - alpha_bar), x0) * x0


def target(prediction: Prediction, x0: np.ndarray, eps: np.ndarray, t: np.ndarray, schedule: Schedule) -> np.ndarray:
    """What a network that predicts this is trained on, of x_0 and eps [N, ...] at steps t [N]."""
    match prediction:
        case "eps":
            return eps
        case "x0":
            return x0
        case "v":
            return v_from_x0_and_eps(x0, eps, t, schedule)
        case _:
            assert_never(prediction)


def eps_from(
    prediction: Prediction, xt: ArrayLike, predicted: ArrayLike, t: ArrayLike, schedule: Schedule
) -> np.ndarray:
    """eps [N, ...] from x_t and what was predicted at step t, in 1..T (an int, or ints [N])."""
    xt = _checks.array("xt", xt, min_ndim=2)
    predicted = _checks.array(prediction, predicted, xt.shape)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(xt))
    signal, sigma = column(np.sqrt(schedule.alpha_bar[t]), xt), column(np.sqrt(1.0 - schedule.alpha_bar[t]), xt)
    match prediction:
        case "eps":
            return predicted
        case "x0":
            return (xt - signal * predicted) / sigma
        case "v":
            return signal * predicted + sigma * xt
        case _:
            assert_never(prediction)


def eps_slope(prediction: Prediction, t: np.ndarray, schedule: Schedule) -> np.ndarray:
    """By how much eps moves, up to its sign, where what is predicted at steps t [N] moves by 1: float64 [N]."""
    match prediction:
        case "eps":
            return np.ones(len(t))
        case "x0":
            return np.sqrt(schedule.snr[t])
        case "v":
            return np.sqrt(schedule.alpha_bar[t])
        case _:
            assert_never(prediction)
