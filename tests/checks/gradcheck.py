"""The one helper for gradients: hand-written ones against central differences, in float64.

`loss` is a function of no arguments that reads the arrays, which the check disturbs in place: a network's
parameters are views of one buffer, so that this is one loop.  To have a loss from an output of any shape, weigh it
with a random array: the gradient of (weight * y).sum() by x is what `backward(weight, cache)` must return.

Differences are of fourth order, (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12h: with h = 1e-3 the formula is off by
about h^4 / 30 = 3e-14 and rounding by 1e-16 / h = 1e-13, times the size of the loss and of its fifth derivative.

The relative error of an array is taken of the whole array, in the Euclidean norm: |a - b| / max(|a|, |b|, FLOOR).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

BOUND = 1e-7
FLOOR = 1e-4  # a gradient smaller than this is taken to be zero but for rounding
STEP = 1e-3

Loss = Callable[[], float]
Arrays = Mapping[str, np.ndarray]


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """|a - b| / max(|a|, |b|, FLOOR) in the Euclidean norm; infinite where the shapes differ."""
    if np.shape(a) != np.shape(b):
        return np.inf
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b), FLOOR))


def differentiated(loss: Loss, x: np.ndarray) -> np.ndarray:
    """dL / dx, entry by entry."""
    gradient, direction = np.zeros(x.shape), np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        direction[index] = 1.0
        gradient[index] = slope(loss, x, direction)
        direction[index] = 0.0
    return gradient


def slope(loss: Loss, x: np.ndarray, direction: np.ndarray) -> float:
    """dL(x + h direction) / dh at h = 0."""
    if x.dtype != np.float64:
        raise TypeError(f"gradients are checked in float64, got {x.dtype}")
    before = x.copy()

    def at(h: float) -> float:
        x[...] = before + h * direction
        return loss()

    difference = (8.0 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12.0 * STEP)
    x[...] = before
    return difference


def errors(loss: Loss, arrays: Arrays, gradients: Arrays) -> dict[str, float]:
    """The relative error of each array's gradient, every entry of which is differentiated."""
    _same_names(arrays, gradients)
    return {name: relative_error(differentiated(loss, x), gradients[name]) for name, x in arrays.items()}


def projected_errors(loss: Loss, arrays: Arrays, gradients: Arrays, seed: int = 0) -> dict[str, float]:
    """The same for large arrays: the slope along one random unit vector an array, against gradient . vector."""
    _same_names(arrays, gradients)
    rng, found = np.random.default_rng(seed), {}
    for name, x in arrays.items():
        direction = rng.normal(size=x.shape)
        direction /= np.linalg.norm(direction)
        product = np.vdot(gradients[name], direction) if gradients[name].shape == x.shape else np.array(np.nan)
        found[name] = relative_error(np.array(slope(loss, x, direction)), product)
    return found


def wrong(errors: Mapping[str, float]) -> list[str]:
    """Names of the gradients whose error is not below BOUND."""
    return [name for name, error in errors.items() if not error < BOUND]


def _same_names(arrays: Arrays, gradients: Arrays) -> None:
    if arrays.keys() != gradients.keys():
        raise KeyError(f"expected a gradient for each of {list(arrays)}, got {list(gradients)}")
