"""Classifier-free guidance: more of a condition than the data has (Ho and Salimans 2022, arXiv 2207.12598)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.protocol import Model, Pullback, check_callable, in_words, members
from numpy_diffusion.models.wrapper import Wrapper, doubled


def guided(model: Model, labels: ArrayLike | Condition, scale: float, null: int | Condition | None = None) -> Guided:
    """A model that is asked for classes: eps = (1 + w) eps(x, t, label) - w eps(x, t, null) (their eq 6).

    That is the eps of p(x_t | c)^(1 + w) / p(x_t)^w, up to a factor: the class is raised to a power where it tells
    itself from the rest.  One call of the model answers both, on a batch of twice the size.  x_0 and v mix as eps
    does, so `as_eps(guided(...), schedule, "v")` guides a network that predicts v.

    Parameters
    ----------
    model : eps = model(x, t, labels=ints [N]), such as a `UNet` with classes; or with other fields of a `Condition`
    labels : the class of all samples, or one for each: int or int array [n]; or a whole `Condition`.  `sample` splits
        nothing, so rows of it follow the samples; to draw from sample `first` on, pass the rows from there on
    scale : w, from -1 to a million.  0 is the class as it is, at half the price, and -1 no class.  Others, diffusers
        among them, count from no class: their guidance_scale is 1 + w, so that theirs of 7.5 is 6.5 here
    null : the label of "no class", or the `Condition` that says nothing; the model's own unless given

    Returns
    -------
    eps = model(x, t), with what the model has of shape, shift, scale, learn_variance, jvp and vjp.  A learned
    variance is that of the class: it is not guided

    Raises
    ------
    ValueError : labels that are no integers or not one for each sample, scale out of its range, a null that is
        missing or of another shape

    Examples
    --------
    A network that sees its label in every pixel, and 9 where there is no class:

    >>> network = lambda x, t, labels: np.zeros(x.shape) + labels[:, None]
    >>> guided(network, [1, 2], scale=0.5, null=9)(np.zeros((2, 1)), 500).tolist()  # 1.5 label - 0.5 * 9
    [[-3.0], [-1.5]]
    """
    check_callable(model, "eps = model(x, t, labels)")
    condition = labels if isinstance(labels, Condition) else _of_labels(labels)
    w = _checks.guidance("scale", scale)
    if null is None:
        nothing = members(model).nothing
    else:
        nothing = null if isinstance(null, Condition) else Condition(labels=_checks.integer("null", null, 0))
    if nothing is None and w != 0.0:
        raise ValueError("null: expected the label of no class, since the model has no attribute `null_label`")
    if nothing is not None and nothing.arguments().keys() != condition.arguments().keys():
        asked, known_fields = (", ".join(one.arguments()) or "none" for one in (condition, nothing))
        raise ValueError(f"labels: expected a condition of {known_fields}, as the model's nothing has, got {asked}")
    if nothing is not None and w != 0.0:
        condition.fitted(nothing)
    return Guided(model, condition, w, nothing)


@dataclass(frozen=True, eq=False, repr=False)
class Guided(Wrapper):
    """eps of a condition, and away from that of `away_from`, which says nothing; made by `guided`."""

    condition: Condition
    w: float
    away_from: Condition | None

    def __repr__(self) -> str:
        return f"Guided({in_words(self.model)}, {self.condition}, {self.w:g})"

    # The model's own members, but for these: what it is told is decided.
    nothing = None
    null_label = None

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        return self._mixed(self._asked(*self._batch(x, t), **self._told(len(x), told)))

    def eps_and_fraction(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        answer, fraction = self._asked.eps_and_fraction(*self._batch(x, t), **self._told(len(x), told))
        return self._mixed(answer), fraction[: len(x)]

    def jvp_of_model(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """eps, and its Jacobian times the tangent: those of the two answers mix as they do."""
        axis = np.ndim(tangent) - np.ndim(x)  # of the samples, behind that of several tangents
        tangents = tangent if self.w == 0.0 else np.concatenate([tangent, tangent], axis)
        answer, along = self._asked.jvp(*self._batch(x, t), tangents, **self._told(len(x), told))
        return self._mixed(answer), self._mixed(along, axis)

    def vjp_of_model(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, Pullback]:
        """eps, and back from it: each of the two answers by its share."""
        answer, pull = self._asked.vjp(*self._batch(x, t), **self._told(len(x), told))
        if self.w == 0.0:
            return answer, pull

        def back(cotangent: np.ndarray) -> np.ndarray:
            both = pull(np.concatenate([(1.0 + self.w) * cotangent, -self.w * cotangent]))
            return both[: len(x)] + both[len(x) :]

        return self._mixed(answer), back

    def doubled(self) -> Guided:
        away_from = None if self.away_from is None else self.away_from.doubled()
        return replace(super().doubled(), condition=self.condition.doubled(), away_from=away_from)

    def check_rows(self, n: int) -> None:
        super().check_rows(n)
        for told in (self.condition, self.away_from):
            if told is not None:
                told.check_rows(n)

    def rows(self, index: np.ndarray | slice) -> Guided:
        away_from = None if self.away_from is None else self.away_from.rows(index)
        return replace(super().rows(index), condition=self.condition.rows(index), away_from=away_from)

    @property
    def _asked(self) -> Any:
        """The model for what `_batch` makes of a batch."""
        return self.model if self.w == 0.0 else doubled(self.model)

    def _told(self, n: int, told: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the model is told of n samples; with guidance of as many more, that it is told nothing."""
        own, others = self.condition.each(n), Condition(**told).each(n)
        for name in own.arguments().keys() & others.arguments().keys():
            raise ValueError(f"{name}: expected None, as the model is guided by {name} already, got some")
        if self.w == 0.0 or self.away_from is None:
            return own.arguments() | others.arguments()
        return own.followed_by(self.away_from.each(n)).arguments() | others.followed_by(others).arguments()

    def _batch(self, x: np.ndarray, t: Any) -> tuple[np.ndarray, Any]:
        if self.w == 0.0:
            return x, t
        return np.concatenate([x, x]), t if np.ndim(t) == 0 else np.concatenate([t, t])

    def _mixed(self, answer: np.ndarray, axis: int = 0) -> np.ndarray:
        if self.w == 0.0:
            return answer
        of_condition, of_nothing = np.split(answer, 2, axis)
        return (1.0 + self.w) * of_condition - self.w * of_nothing


def _of_labels(labels: ArrayLike) -> Condition:
    if labels is None:
        raise ValueError("labels: expected an integer of at least 0, or an array [n] of them, got None")
    return Condition(labels=labels)
