"""What a network may predict, eps, x_0 or v, and the way from each to eps (Salimans and Ho 2022, arXiv 2202.00512).

x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps and v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) x_0 turn
(x_0, eps) by an angle, so any two of the four give the others.  `reverse.x0_from_eps` leads on from eps;
`clipped` keeps that x_0 in the data's range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.forward import column
from numpy_diffusion.reverse import x0_from_eps
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
    eps = model(x, t), with those of the attributes shape, shift, scale, learn_variance and jvp that the model has

    Examples
    --------
    A network that says x_0 = 0 whatever it sees takes all for noise:

    >>> schedule = Schedule.linear(T=1000)
    >>> model = as_eps(lambda x, t: 0.0 * x, schedule, "x0")
    >>> bool(np.allclose(model(np.ones((1, 2)), 700), 1.0 / np.sqrt(1.0 - schedule.alpha_bar[700])))
    True
    """
    _check_model(model, "prediction")
    _checks.instance("schedule", schedule, Schedule)
    _checks.choice("prediction", prediction, PREDICTIONS)

    def to_eps(x: np.ndarray, t: Any, predicted: np.ndarray) -> np.ndarray:
        return _converted(prediction, x, predicted, t, schedule)

    def jvp(x: np.ndarray, t: Any, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its Jacobian times the tangent: the conversion is linear in x and the prediction."""
        predicted, along = model.jvp(x, t, tangent)
        return to_eps(x, t, predicted), to_eps(tangent, t, along)

    return _wrapped(model, to_eps, jvp)


def clipped(
    model: Any, schedule: Schedule, low: float = -1.0, high: float = 1.0
) -> Callable[[np.ndarray, Any], np.ndarray]:
    """A model of eps whose x_0 stays in the range that the data has: eps -> x_0 -> clip -> eps.

    Ho et al. (2020) sample images so, and diffusers with its clip_sample (its DDIM only with
    use_clipped_model_output: else it steps from the clipped x_0 in the unclipped direction).  Where x_0 is inside,
    eps stays what it is to the bit.

    Parameters
    ----------
    model : eps = model(x, t), x [N, ...], t an int or ints [N]
    schedule : of the model
    low, high : of x_0, in the data's units; low below high

    Returns
    -------
    eps = model(x, t), with those of the attributes shape, shift, scale, learn_variance and jvp that the model has

    Examples
    --------
    >>> schedule = Schedule.from_beta([0.36, 0.99])  # x_1 = 0.8 x_0 + 0.6 eps
    >>> clipped(lambda x, t: 0.0 * x, schedule)(np.array([[0.4, 1.4]]), 1).round(6).tolist()  # x_0 is 0.5 and 1.75
    [[0.0, 1.0]]
    """
    _check_model(model, "eps")
    _checks.instance("schedule", schedule, Schedule)
    low, high = _checks.real("low", low), _checks.real("high", high)
    if low >= high:
        raise ValueError(f"low: expected a number below high = {high:g}, got {low:g}")
    shift, scale = getattr(model, "shift", 0.0), getattr(model, "scale", 1.0)
    ends = [(np.float64(end) - shift) / scale for end in (low, high)]  # in the model's units

    def excess(x: np.ndarray, t: Any, eps: np.ndarray) -> np.ndarray:
        """By how much x_0 is out of the range, with its sign."""
        x0 = x0_from_eps(x, eps, t, schedule)
        return x0 - np.clip(x0, *(np.asarray(end, x0.dtype) for end in ends))

    def clip(x: np.ndarray, t: Any, eps: np.ndarray) -> np.ndarray:
        eps = _checks.array("eps", eps, np.shape(x))
        return eps + excess(x, t, eps) * _ratio(schedule, t, eps)

    def jvp(x: np.ndarray, t: Any, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its Jacobian times the tangent: where x_0 stays at an end, eps moves with x alone."""
        eps, along = model.jvp(x, t, tangent)
        out = excess(x, t, eps) != 0.0
        return clip(x, t, eps), along + out * _ratio(schedule, t, along) * x0_from_eps(tangent, along, t, schedule)

    return _wrapped(model, clip, jvp)


def _ratio(schedule: Schedule, t: ArrayLike, x: np.ndarray) -> np.ndarray:
    """sqrt(snr_t) = sqrt(alpha_bar_t / (1 - alpha_bar_t)), by which eps falls where x_0 rises by 1."""
    return column(np.sqrt(schedule.snr[np.asarray(t)]), x)


def _check_model(model: Any, answer: str) -> None:
    if not callable(model):
        raise ValueError(f"model: expected a callable {answer} = model(x, t), got {type(model).__name__}")


def _wrapped(model: Any, changed: Callable[..., np.ndarray], jvp: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """eps = changed(x, t, model(x, t)), with what the model has of shape, shift, scale, learned variance and jvp."""

    def eps(x: np.ndarray, t: Any) -> np.ndarray:
        return changed(x, t, model(x, t))

    def eps_and_fraction(x: np.ndarray, t: Any) -> tuple[np.ndarray, np.ndarray]:
        predicted, fraction = model.eps_and_fraction(x, t)
        return changed(x, t, predicted), fraction

    carry(model, eps, eps_and_fraction)
    if hasattr(model, "jvp"):
        setattr(eps, "jvp", jvp)  # noqa: B010 - mypy knows no attributes of functions
    return eps


def carry(model: Any, eps: Callable[..., np.ndarray], eps_and_fraction: Callable[..., Any]) -> None:
    """Give eps, made of the model, what that has of shape, shift and scale, and of a learned variance."""
    carried = {name: getattr(model, name) for name in ("shape", "shift", "scale") if hasattr(model, name)}
    if getattr(model, "learn_variance", False):
        carried |= {"learn_variance": True, "eps_and_fraction": eps_and_fraction}
    for name, value in carried.items():
        setattr(eps, name, value)


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
