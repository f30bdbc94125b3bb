"""What a network may predict, eps, x_0 or v, and the way from each to eps (Salimans and Ho 2022, arXiv 2202.00512).

x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps and v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 turn
(x_0, eps) by an angle, so any two of the four give the others.  `reverse.x0_from_eps` leads on from eps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.forward import column
from numpy_diffusion.schedules import Schedule

PREDICTIONS = ("eps", "x0", "v")


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
    return _converted("x0", xt, x0, t, schedule)


def eps_from_v(xt: ArrayLike, v: ArrayLike, t: ArrayLike, schedule: Schedule) -> np.ndarray:
    """eps = sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t (Salimans and Ho 2022, appendix D): [N, ...]."""
    return _converted("v", xt, v, t, schedule)


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


def as_eps(model: Any, schedule: Schedule, prediction: str) -> Callable[[np.ndarray, Any], np.ndarray]:
    """A model of eps from one that predicts something else: for every sampler, bound and likelihood.

    Parameters
    ----------
    model : prediction = model(x, t), x [N, ...], t an int or ints [N]
    schedule : of the model
    prediction : "eps", "x0" or "v"

    Returns
    -------
    eps = model(x, t), with those of the attributes shape, shift, scale and jvp that the model has

    Examples
    --------
    A network that says x_0 = 0 whatever it sees takes all for noise:

    >>> schedule = Schedule.linear(T=1000)
    >>> model = as_eps(lambda x, t: 0.0 * x, schedule, "x0")
    >>> bool(np.allclose(model(np.ones((1, 2)), 700), 1.0 / np.sqrt(1.0 - schedule.alpha_bar[700])))
    True
    """
    if not callable(model):
        raise ValueError(f"model: expected a callable prediction = model(x, t), got {type(model).__name__}")
    _checks.instance("schedule", schedule, Schedule)
    _checks.choice("prediction", prediction, PREDICTIONS)

    def eps(x: np.ndarray, t: Any) -> np.ndarray:
        return _converted(prediction, x, model(x, t), t, schedule)

    def jvp(x: np.ndarray, t: Any, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its Jacobian times the tangent: the conversion is linear in x and the prediction."""
        predicted, along = model.jvp(x, t, tangent)
        pairs = ((x, predicted), (tangent, along))
        first, second = (_converted(prediction, *pair, t, schedule) for pair in pairs)
        return first, second

    for name in ("shape", "shift", "scale"):
        if hasattr(model, name):
            setattr(eps, name, getattr(model, name))
    if hasattr(model, "jvp"):
        setattr(eps, "jvp", jvp)  # noqa: B010 - mypy knows no attributes of functions
    return eps


def _converted(prediction: str, xt: ArrayLike, predicted: ArrayLike, t: ArrayLike, schedule: Schedule) -> np.ndarray:
    """eps [N, ...] from x_t and what was predicted at step t."""
    xt = _checks.array("xt", xt, min_ndim=2)
    predicted = _checks.array(prediction, predicted, xt.shape)
    t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(xt))
    if prediction == "eps":
        return predicted
    signal, sigma = column(np.sqrt(schedule.alpha_bar[t]), xt), column(np.sqrt(1.0 - schedule.alpha_bar[t]), xt)
    if prediction == "v":
        return signal * predicted + sigma * xt
    return (xt - signal * predicted) / sigma
