"""Classifier-free guidance: more of a class than the data has (Ho and Salimans 2022, arXiv 2207.12598)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.predictions import carry

Prediction = Callable[[np.ndarray, Any], np.ndarray]


def guided(model: Any, labels: ArrayLike, scale: float, null: int | None = None) -> Prediction:
    """A model that is asked for classes: eps = (1 + w) eps(x, t, label) - w eps(x, t, null) (their eq 6).

    That is the eps of p(x_t | c)^(1 + w) / p(x_t)^w, up to a factor: the class is raised to a power where it tells
    itself from the rest.  One call of the model answers both, on a batch of twice the size.  x_0 and v mix as eps
    does, so `as_eps(guided(...), schedule, "v")` guides a network that predicts v.

    Parameters
    ----------
    model : eps = model(x, t, labels=ints [N]), such as a `UNet` with classes
    labels : the class of all samples, or one for each: int or int array [n].  `sample` splits nothing, so they follow
        its rows; to draw from sample `first` on, pass the labels from there on
    scale : w, at least -1.  0 is the class as it is, at half the price, and -1 no class.  Others, diffusers among
        them, count from no class: their guidance_scale is 1 + w, so that theirs of 7.5 is 6.5 here
    null : the label of "no class"; model.null_label unless given

    Returns
    -------
    eps = model(x, t), with those of the attributes shape, shift, scale and learn_variance that the model has.  A
    learned variance is that of the class: it is not guided

    Raises
    ------
    ValueError : labels that are no integers or not one for each sample, scale below -1 or not finite, a null that
        is missing

    Examples
    --------
    A network that sees its label in every pixel, and 9 where there is no class:

    >>> network = lambda x, t, labels: np.zeros(x.shape) + labels[:, None]
    >>> guided(network, [1, 2], scale=0.5, null=9)(np.zeros((2, 1)), 500).tolist()  # 1.5 label - 0.5 * 9
    [[-3.0], [-1.5]]
    """
    if not callable(model):
        raise ValueError(f"model: expected a callable eps = model(x, t, labels), got {type(model).__name__}")
    classes, w = _classes(labels), _checks.real("scale", scale, -1.0)
    null = getattr(model, "null_label", None) if null is None else null
    if null is None and w != 0.0:
        raise ValueError("null: expected the label of no class, since the model has no attribute `null_label`")
    none = 0 if null is None else _checks.integer("null", null, 0)

    def asked(call: Callable[..., Any], x: np.ndarray, t: Any) -> Any:
        """What the call says of the classes, and with guidance of "no class" behind them."""
        if classes.shape not in ((), (len(x),)):
            raise ValueError(f"labels: expected an integer, or one for each of {len(x)} samples, got {len(classes)}")
        own = np.broadcast_to(classes, len(x))
        if w == 0.0:
            return call(x, t, labels=own)
        both = np.concatenate([own, np.full(len(x), none)])
        return call(np.concatenate([x, x]), t if np.ndim(t) == 0 else np.concatenate([t, t]), labels=both)

    def mixed(answer: Any, n: int) -> np.ndarray:
        return answer if w == 0.0 else (1.0 + w) * answer[:n] - w * answer[n:]

    def eps(x: np.ndarray, t: Any) -> np.ndarray:
        return mixed(asked(model, x, t), len(x))

    def eps_and_fraction(x: np.ndarray, t: Any) -> tuple[np.ndarray, np.ndarray]:
        answer, fraction = asked(model.eps_and_fraction, x, t)
        return mixed(answer, len(x)), fraction[: len(x)]

    carry(model, eps, eps_and_fraction)
    return eps


def _classes(labels: ArrayLike) -> np.ndarray:
    given = _checks.array("labels", labels, dtype=np.float64)
    if given.ndim > 1 or (given != given.round()).any() or given.min() < 0.0:
        got = f"{given.min():g}..{given.max():g} of shape {list(given.shape)}"
        raise ValueError(f"labels: expected an integer of at least 0, or an array [n] of them, got {got}")
    return given.astype(np.int64)
