"""A check for gradients that were written by hand: beside central differences of the function's own forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import Any

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.evaluation.exercise import Case, Exercise, Function, Report, Slip, check
from numpy_diffusion.evaluation.slips import network

STEP = 1e-3  # of the differences, which are of fourth order: off by 1e-13 and rounded by as much
TOLERANCE = 1e-7


def check_gradient(
    forward: Function,
    backward: Function,
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> Report:
    """Whether `backward` gives the gradients of `forward`, and which known slip it has if it does not.

    Parameters
    ----------
    forward : `forward(x, W1, b1, W2, b2)` -> y, cache: whatever it takes, all of it arrays to differentiate by
    backward : `backward(dy, cache)` -> dx, dW1, ...: the gradient by each array of (dy * y).sum(), in their order
    arrays : what to call forward with, by the names of its arguments, float64; those of the lab unless given: x
        [5, 3], W1 [4, 3], b1 [4], W2 [2, 4], b2 [2], for y = W2 silu(W1 x + b1) + b2
    tolerance : the largest error, as a share of the largest number in a gradient

    Returns
    -------
    a `Report`: print it; its `right` is True or False, its `sentence` names the slip

    Raises
    ------
    ValueError : what is no function, arrays that forward does not take, a forward that gives no y and cache

    Examples
    --------
    >>> def forward(x, W):
    ...     return x @ W.T, (x, W)
    >>> def backward(dy, cache):
    ...     x, W = cache
    ...     return dy @ W, dy.T @ x / len(x)
    >>> arrays = {"x": np.array([[1.0, 2.0], [0.5, -1.0]]), "W": np.array([[1.0, 0.0], [2.0, 1.0]])}
    >>> print(check_gradient(forward, backward, arrays).sentence)
    The gradients of the parameters are means over the batch: they are sums.
    """
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise ValueError(f"{name}: expected a function, got {type(function).__name__}")
    of_the_lab = arrays is None
    given = network.arrays() if arrays is None else dict(arrays)
    given = {name: _checks.array(name, value, None, np.float64) for name, value in given.items()}
    wanted = list(inspect.signature(forward).parameters)
    if wanted != list(given):
        raise ValueError(f"forward: expected one of the arguments {', '.join(given)}, got {', '.join(wanted)}")
    y = _checks.array("forward: y", _output(forward, *given.values()), None, np.float64)
    dy = np.random.default_rng(0).normal(size=y.shape)
    expected = _differentiated(forward, dy, list(given.values()))
    exercise = Exercise(
        "backward(dy, cache)",
        tuple(f"d{name}" for name in given),
        lambda *_: expected if len(expected) > 1 else expected[0],
        (*(network.SLIPS if of_the_lab else ()), *_general(expected, len(dy))),
        lambda: [Case("central differences", (dy, *given.values()))],
    )

    @wraps(backward)  # so that an error is told with its line in the file of `backward`
    def gradients(dy: np.ndarray, *given: np.ndarray) -> Any:
        return backward(dy, forward(*given)[1])

    return check(exercise, gradients, tolerance)


def _output(forward: Function, *given: np.ndarray) -> Any:
    answer = forward(*(value.copy() for value in given))
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise ValueError(f"forward: expected y and a cache for backward, got {type(answer).__name__}")
    return answer[0]


def _differentiated(forward: Function, dy: np.ndarray, given: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The gradient by each array of (dy * y).sum(), by differences (8 (L(h) - L(-h)) - L(2h) + L(-2h)) / 12h."""
    gradients = []
    for k, x in enumerate(given):
        gradient, direction = np.zeros(x.shape), np.zeros(x.shape)

        def loss(h: float, k: int = k, x: np.ndarray = x, direction: np.ndarray = direction) -> float:
            return float((dy * _output(forward, *given[:k], x + h * STEP * direction, *given[k + 1 :])).sum())

        for index in np.ndindex(x.shape):
            direction[index] = 1.0
            gradient[index] = (8.0 * (loss(1.0) - loss(-1.0)) - loss(2.0) + loss(-2.0)) / (12.0 * STEP)
            direction[index] = 0.0
        gradients.append(gradient)
    return tuple(gradients)


def _general(right: tuple[np.ndarray, ...], n: int) -> tuple[Slip, ...]:
    """Slips of any gradient, of a batch of n rows: those of all arrays, and those of all but the first."""
    first, *others = right

    def mean(*_: Any) -> Any:
        return first, *(gradient / n for gradient in others)

    def transposed(*_: Any) -> Any:
        return first, *(gradient.T for gradient in others)

    return (
        Slip("sign", "All gradients have the other sign.", lambda *_: tuple(-gradient for gradient in right)),
        Slip("mean_over_batch", "The gradients of the parameters are means over the batch: they are sums.", mean),
        Slip("transposed", "The gradients of the matrices are transposed.", transposed),
    )
