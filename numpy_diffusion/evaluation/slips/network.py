"""Lab 3, a network and its gradient by hand: y = W2 silu(W1 x + b1) + b2, for a batch of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.evaluation.exercise import Slip
from numpy_diffusion.layers import linear, silu

SHAPES = {"x": (5, 3), "W1": (4, 3), "b1": (4,), "W2": (2, 4), "b2": (2,)}
NAMES = tuple(f"d{name}" for name in SHAPES)  # what backward gives, in this order

Gradients = tuple[Any, ...]


def arrays() -> dict[str, np.ndarray]:
    """A batch and parameters, float64."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def forward(x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> tuple[np.ndarray, Any]:
    g, first = linear.forward(x, W1, b1)
    h, middle = silu.forward(g)
    y, last = linear.forward(h, W2, b2)
    return y, (first, middle, last)


def backward(dy: np.ndarray, cache: Any) -> Gradients:
    first, middle, last = cache
    dh, dW2, db2 = linear.backward(dy, last)
    dx, dW1, db1 = linear.backward(silu.backward(dh, middle), first)
    return dx, dW1, db1, dW2, db2


def _with_slope(dy: np.ndarray, given: Gradients, slope: Any) -> Gradients:
    """The gradients where this is taken for the slope of silu, a function of g and h."""
    x, W1, b1, W2, _ = given
    g = x @ W1.T + b1
    h = silu.forward(g)[0]
    dg = dy @ W2 * slope(g, h)
    return dg @ W1, dg.T @ x, dg.sum(axis=0), dy.T @ h, dy.sum(axis=0)


def _right(dy: np.ndarray, *given: Any) -> Gradients:
    return backward(dy, forward(*given)[1])


def _parameters(change: Any) -> Any:
    """The gradients, those of the parameters changed: change(gradient, N)."""

    def changed(dy: np.ndarray, *given: Any) -> Gradients:
        dx, *others = _right(dy, *given)
        return dx, *(change(gradient, len(dy)) for gradient in others)

    return changed


def _sigmoid(g: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-g))


def _not_summed(dy: np.ndarray, *given: Any) -> Gradients:
    x, W1, b1, W2, _ = given
    dg = silu.backward(dy @ W2, silu.forward(x @ W1.T + b1)[1])
    dx, dW1, _, dW2, _ = _right(dy, *given)
    return dx, dW1, dg, dW2, dy


def _transposed(dy: np.ndarray, *given: Any) -> Gradients:
    dx, dW1, db1, dW2, db2 = _right(dy, *given)
    return dx, dW1.T, db1, dW2.T, db2


def _g_for_h(dy: np.ndarray, *given: Any) -> Gradients:
    dx, dW1, db1, _, db2 = _right(dy, *given)
    return dx, dW1, db1, dy.T @ (given[0] @ given[1].T + given[2]), db2


def _ones(dy: np.ndarray, *given: Any) -> Gradients:
    dx, dW1, _, dW2, _ = _right(dy, *given)
    return dx, dW1, np.zeros_like(given[2]), dW2, np.zeros_like(given[4])


def _stopped_early(dy: np.ndarray, *given: Any) -> Gradients:
    """dx is what arrives behind the first matrix: of the right shape only where widths agree."""
    others = _right(dy, *given)[1:]
    x, W1, b1, W2, _ = given
    return silu.backward(dy @ W2, silu.forward(x @ W1.T + b1)[1]), *others


def _slope(*answer: Any) -> Any:
    [slope] = answer
    return lambda dy, *given: _with_slope(dy, given, slope)


SLIPS = (
    Slip("no_slope", "The slope of silu is left out: between the two matrices, dh is multiplied by it.",
         _slope(lambda g, h: np.ones_like(g))),
    Slip("slope_at_h", "The slope of silu is taken at its output h: it belongs to its input, W1 x + b1.",
         _slope(lambda g, h: _sigmoid(h) * (1.0 + h * (1.0 - _sigmoid(h))))),
    Slip("slope_of_sigmoid", "The slope is that of the sigmoid, s (1 - s): silu is g s(g), and its slope "
         "s + g s (1 - s).", _slope(lambda g, h: _sigmoid(g) * (1.0 - _sigmoid(g)))),
    Slip("slope_of_relu", "The slope is that of ReLU, 0 or 1.", _slope(lambda g, h: (g > 0.0) * 1.0)),
    Slip("product_rule", "Half of the product rule is missing: the slope of g s(g) is s + g s (1 - s), not s alone.",
         _slope(lambda g, h: _sigmoid(g))),
    Slip("other_half", "Half of the product rule is missing: the slope of g s(g) is s + g s (1 - s), with the s in "
         "front.", _slope(lambda g, h: g * _sigmoid(g) * (1.0 - _sigmoid(g)))),
    Slip("mean_over_batch", "The gradients of the parameters are means over the batch: they are sums, since dy says "
         "already what each sample weighs.", _parameters(lambda gradient, n: gradient / n)),
    Slip("not_summed", "The gradients of the biases are not summed over the batch: a bias is added to each row.",
         _not_summed),
    Slip("transposed", "The gradients of the matrices are transposed: dW has the shape of W, dy^T x.", _transposed),
    Slip("g_for_h", "dW2 has the input of silu in it: the second matrix was given its output, h.", _g_for_h),
    Slip("no_biases", "The gradients of the biases are zero: dy summed over the batch.", _ones),
    Slip("stopped_early", "dx stops before the first matrix: it is dg W1.", _stopped_early),
    Slip("sign", "All gradients have the other sign: the minus of descent comes later, in the step.",
         lambda dy, *given: tuple(-gradient for gradient in _right(dy, *given))),
)  # fmt: skip
