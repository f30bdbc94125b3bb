"""The check of a gradient, of a layer of one's own."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.evaluation.gradient_check import check_gradient
from numpy_diffusion.layers import silu

RNG = np.random.default_rng(0)
ARRAYS = {"x": RNG.normal(size=(3, 2)), "W": RNG.normal(size=(4, 2))}


def forward(x, W):
    return np.tanh(x @ W.T), (x, W)


def backward(dy, cache, mean=False, sign=1.0, transposed=False):
    x, W = cache
    dg = sign * dy * (1.0 - np.tanh(x @ W.T) ** 2)
    dW = dg.T @ x / (len(x) if mean else 1)
    return dg @ W, dW.T if transposed else dW


def test_a_layer_of_ones_own():
    report = check_gradient(forward, backward, ARRAYS)
    assert report.right, report
    assert [row.result for row in report.rows] == ["dx", "dW"]
    assert max(row.error for row in report.rows) < 1e-10


@pytest.mark.parametrize(
    ("slip", "change"),
    [("mean_over_batch", {"mean": True}), ("sign", {"sign": -1.0}), ("transposed", {"transposed": True})],
)
def test_its_slips_are_named(slip, change):
    report = check_gradient(forward, lambda dy, cache: backward(dy, cache, **change), ARRAYS)
    assert (report.right, report.slip) == (False, slip)


def test_one_array_and_one_gradient():
    assert check_gradient(silu.forward, silu.backward, {"x": ARRAYS["x"]}).right
    assert not check_gradient(silu.forward, lambda dy, cache: dy, {"x": ARRAYS["x"]}).right


def test_an_error_is_told_with_its_line_in_the_file_of_backward():
    def broken(dy, cache):
        return dy @ cache

    sentence = check_gradient(forward, broken, ARRAYS).sentence
    assert f" at line {broken.__code__.co_firstlineno + 1}: " in sentence


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ((None, backward, ARRAYS), "forward: expected a function, got NoneType"),
        ((forward, 3, ARRAYS), "backward: expected a function, got int"),
        ((forward, backward), "forward: expected one of the arguments x, W1, b1, W2, b2, got x, W"),
        ((lambda x, W: x @ W.T, backward, ARRAYS), "forward: expected y and a cache for backward, got ndarray"),
        ((forward, backward, {"x": [np.nan], "W": [1.0]}), "x: expected finite"),
    ],
)
def test_what_cannot_be_checked_is_refused(given, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}"):
        check_gradient(*given)
