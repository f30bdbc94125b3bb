"""Models of eps made of others: of one that predicts x_0 or v, and of one whose x_0 is to stay in a range.

What they ask the other about is a copy, to which it may write: they need x themselves afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.models.protocol import (
    Model,
    Pullback,
    Units,
    check_callable,
    check_eps,
    check_schedule,
    in_words,
    members,
)
from numpy_diffusion.models.wrapper import Wrapper
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.predictions import PREDICTIONS, Prediction, eps_from
from numpy_diffusion.process.reverse import x0_from_eps
from numpy_diffusion.process.schedules import Schedule

FAINT: Final = 1e-6  # alpha_bar_T


def as_eps(model: Model, schedule: Schedule, prediction: Prediction) -> AsEps:
    """A model of eps from one that predicts something else: for every sampler, bound and likelihood.

    Parameters
    ----------
    model : prediction = model(x, t), x [N, ...], t an int or ints [N]
    schedule : of the model
    prediction : "eps", "x0" or "v"

    Returns
    -------
    eps = model(x, t), with what the model has of shape, shift, scale, learn_variance, jvp, vjp and a condition

    Raises
    ------
    ValueError : what cannot be called, no schedule, an unknown prediction

    Examples
    --------
    A network that says x_0 = 0 whatever it sees takes all for noise:

    >>> schedule = Schedule.linear(T=1000)
    >>> model = as_eps(lambda x, t: 0.0 * x, schedule, "x0")
    >>> bool(np.allclose(model(np.ones((1, 2)), 700), 1.0 / np.sqrt(1.0 - schedule.alpha_bar[700])))
    True
    """
    check_callable(model, "prediction = model(x, t)")
    check_schedule(model, schedule)
    _checks.choice("prediction", prediction, PREDICTIONS)
    return AsEps(model, schedule, prediction)


@dataclass(frozen=True, eq=False, repr=False)
class AsEps(Wrapper):
    """eps of what the model predicts; made by `as_eps`."""

    schedule: Schedule
    prediction: Prediction

    @property
    def predicts(self) -> Prediction:
        return "eps"

    def __repr__(self) -> str:
        return f"AsEps({in_words(self.model)}, {self.prediction!r})"

    @property
    def T(self) -> int:
        return self.schedule.T

    @property
    def bounded(self) -> bool:
        return self.prediction != "eps" or super().bounded

    @property
    def in_float64(self) -> bool:
        return super().in_float64 or (self.prediction != "eps" and needs_float64(self.schedule))

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        return self._eps(x, t, self.model(np.array(x), t, **told))

    def eps_and_fraction(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        predicted, fraction = self.model.eps_and_fraction(np.array(x), t, **told)
        return self._eps(x, t, predicted), fraction

    def jvp_of_model(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its Jacobian times the tangent: the conversion is linear in x and the prediction."""
        predicted, along = self.model.jvp(np.array(x), t, np.array(tangent), **told)
        moved = _along(lambda dx, d_predicted: self._eps(dx, t, d_predicted), tangent, along, np.ndim(x))
        return self._eps(x, t, predicted), moved

    def vjp_of_model(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, Pullback]:
        """eps, and back from it: by x itself, and by the prediction."""
        predicted, pull = self.model.vjp(np.array(x), t, **told)

        def back(cotangent: np.ndarray) -> np.ndarray:
            none = np.zeros_like(cotangent)
            return self._eps(cotangent, t, none) + pull(self._eps(none, t, cotangent))

        return self._eps(x, t, predicted), back

    def _eps(self, x: np.ndarray, t: Any, predicted: np.ndarray) -> np.ndarray:
        if self.in_float64:
            x, predicted = np.asarray(x, np.float64), np.asarray(predicted, np.float64)
        return eps_from(self.prediction, x, predicted, t, self.schedule)


def clipped(model: Model, schedule: Schedule, low: ArrayLike = -1.0, high: ArrayLike = 1.0) -> Clipped:
    """A model of eps whose x_0 stays in the range that the data has: eps -> x_0 -> clip -> eps.

    Ho et al. (2020) sample images so, and diffusers with its clip_sample (its DDIM only with
    use_clipped_model_output: else it steps from the clipped x_0 in the unclipped direction).  Where x_0 is inside,
    eps stays what it is to the bit.

    Parameters
    ----------
    model : eps = model(x, t), x [N, ...], t an int or ints [N]
    schedule : of the model
    low, high : of x_0, in the data's units, numbers or arrays of one sample's shape; low below high, and of two
        arrays also equal, where a coordinate is constant.  In the model's units -r..r is
        model.shift - r * model.scale and model.shift + r * model.scale

    Returns
    -------
    eps = model(x, t), with what the model has of shape, shift, scale, learn_variance, jvp, vjp and a condition

    Raises
    ------
    ValueError : what cannot be called or does not predict eps, no schedule, no range

    Examples
    --------
    >>> schedule = Schedule.from_beta([0.36, 0.99])  # x_1 = 0.8 x_0 + 0.6 eps
    >>> clipped(lambda x, t: 0.0 * x, schedule)(np.array([[0.4, 1.4]]), 1).round(6).tolist()  # x_0 is 0.5 and 1.75
    [[0.0, 1.0]]
    """
    check_eps(model)
    check_schedule(model, schedule)
    ends = {"low": low, "high": high}
    lowest, highest = (
        _checks.real(name, end) if np.ndim(end) == 0 else _checks.array(name, end, dtype=np.float64)
        for name, end in ends.items()
    )
    out_of_order = np.greater if np.ndim(lowest) and np.ndim(highest) else np.greater_equal
    if np.any(out_of_order(lowest, highest)):
        one = "a number" if np.ndim(lowest) == 0 else "numbers"
        raise ValueError(f"low: expected {one} below high = {_in_words(highest)}, got {_in_words(lowest)}")
    return Clipped(model, schedule, lowest, highest)


@dataclass(frozen=True, eq=False, repr=False)
class Clipped(Wrapper):
    """eps whose x_0 is within low..high; made by `clipped`."""

    schedule: Schedule
    low: float | np.ndarray
    high: float | np.ndarray

    @property
    def T(self) -> int:
        return self.schedule.T

    @property
    def bounded(self) -> bool:
        return True

    @property
    def in_float64(self) -> bool:
        return super().in_float64 or needs_float64(self.schedule)

    def __repr__(self) -> str:
        return f"Clipped({in_words(self.model)}, {_in_words(self.low)}, {_in_words(self.high)})"

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        return self._clip(x, t, self.model(np.array(x), t, **told))

    def eps_and_fraction(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        eps, fraction = self.model.eps_and_fraction(np.array(x), t, **told)
        return self._clip(x, t, eps), fraction

    def jvp_of_model(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its Jacobian times the tangent: where x_0 stays at an end, eps moves with x alone."""
        eps, along = self.model.jvp(np.array(x), t, np.array(tangent), **told)
        out = self._excess(x, t, eps) != 0.0
        of_x0 = _along(lambda dx, d_eps: x0_from_eps(dx, d_eps, t, self.schedule), tangent, along, np.ndim(x))
        return self._clip(x, t, eps), along + out * self._ratio(t, eps) * of_x0

    def vjp_of_model(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, Pullback]:
        """eps, and back from it: where x_0 stays at an end, to x alone."""
        eps, pull = self.model.vjp(np.array(x), t, **told)
        ends = (self._excess(x, t, eps) != 0.0) * self._ratio(t, eps)

        def back(cotangent: np.ndarray) -> np.ndarray:
            held, none = ends * cotangent, np.zeros_like(cotangent)
            of_eps = x0_from_eps(none, held, t, self.schedule)
            return x0_from_eps(held, none, t, self.schedule) + pull(cotangent + of_eps)

        return self._clip(x, t, eps), back

    def _clip(self, x: np.ndarray, t: Any, eps: np.ndarray) -> np.ndarray:
        eps = _checks.array("eps", eps, np.shape(x))
        if self.in_float64:
            x, eps = np.asarray(x, np.float64), eps.astype(np.float64)
        return eps + self._excess(x, t, eps) * self._ratio(t, eps)

    def _excess(self, x: np.ndarray, t: Any, eps: np.ndarray) -> np.ndarray:
        """By how much x_0 is out of the range, with its sign."""
        x0, units = x0_from_eps(x, eps, t, self.schedule), members(self.model).units
        return x0 - np.clip(x0, *(_end(end, units, x0.dtype) for end in (self.low, self.high)))

    def _ratio(self, t: ArrayLike, x: np.ndarray) -> np.ndarray:
        """sqrt(snr_t) = sqrt(alpha_bar_t / (1 - alpha_bar_t)), by which eps falls where x_0 rises by 1."""
        return column(np.sqrt(self.schedule.snr[np.asarray(t)]), x)


def needs_float64(schedule: Schedule) -> bool:
    """Whether hardly any signal is left at T, so that eps in float32 says little of the x_0 that it was made of.

    On the way back to x_0, which a chain goes in each of its steps, the rounding of eps grows by
    1 / sqrt(alpha_bar_t): to 1e-5 with the linear schedule of 1,000 steps, to 1e-3 with the cosine one.
    """
    return bool(schedule.alpha_bar[-1] < FAINT)


def _along(
    linear: Callable[[np.ndarray, np.ndarray], np.ndarray], tangent: np.ndarray, along: np.ndarray, ndim: int
) -> np.ndarray:
    """A linear function of x and the answer [N, ...], along one tangent [N, ...] or each of several [K, N, ...]."""
    if np.ndim(tangent) == ndim:
        return linear(tangent, along)
    return np.stack([linear(dx, d_answer) for dx, d_answer in zip(tangent, along, strict=True)])


def _end(end: float | np.ndarray, units: Units, dtype: Any) -> np.ndarray:
    """An end of the range in the model's units."""
    return np.asarray(units.to_model(np.float64(end)), dtype)


def _in_words(end: float | np.ndarray) -> str:
    return f"{end:g}" if np.ndim(end) == 0 else f"{np.min(end):g}..{np.max(end):g}"
