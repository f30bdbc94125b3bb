"""SiLU against its definition and its symmetry."""

from __future__ import annotations

import math

import numpy as np
from checks.gradcheck import BOUND, errors, relative_error, slope, wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import silu

FLAT = settings(deadline=None, max_examples=50)


@FLAT
@given(st.lists(st.floats(-700.0, 700.0, allow_subnormal=False), min_size=1, max_size=20))
def test_forward_is_x_times_the_sigmoid(values: list[float]) -> None:
    x = np.array(values)
    y, _ = silu.forward(x)
    exact = [value / (1.0 + math.exp(-value)) for value in values]
    # The tanh form rounds the sigmoid as a number near 1, however small it is: four roundings of 2^-53 at the most.
    assert (np.abs(y - exact) <= 4 * 2.0**-53 * np.abs(x)).all()
    np.testing.assert_allclose(y - silu.forward(-x)[0], x, rtol=1e-15, atol=0)  # sigmoid(x) + sigmoid(-x) = 1


@FLAT
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 10_000))
def test_backward_is_the_gradient(shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, dy = 4.0 * rng.normal(size=shape), rng.normal(size=shape)
    dx = silu.backward(dy, silu.forward(x)[1])
    assert wrong(errors(lambda: float((dy * silu.forward(x)[0]).sum()), {"x": x}, {"x": dx})) == []


@FLAT
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 10_000))
def test_jvp_is_the_derivative_along_each_tangent(shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, dy, dx = 4.0 * rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=(2, *shape))
    along = silu.jvp(dx, silu.forward(x)[1])
    for tangent, found in zip(dx, along, strict=True):
        expected = slope(lambda: float((dy * silu.forward(x)[0]).sum()), x, tangent)
        assert relative_error(np.array(expected), (dy * found).sum()) < BOUND


def test_known_values() -> None:
    y, cache = silu.forward(np.array([0.0, 1.0, -1.0]))
    np.testing.assert_allclose(y, [0.0, 0.7310585786300049, -0.2689414213699951], rtol=1e-15)
    dx = silu.backward(np.ones(3), cache)
    np.testing.assert_allclose(dx, [0.5, 0.9276705118714869, 0.0723294881285131], rtol=1e-14)


def test_nothing_overflows_however_large_the_input() -> None:
    for dtype in (np.float32, np.float64):
        largest = np.finfo(dtype).max
        x = np.array([-largest, -1e30, -100.0, 0.0, 100.0, 1e30, largest], dtype)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            y, cache = silu.forward(x)
            dx = silu.backward(np.ones_like(x), cache)
        np.testing.assert_array_equal(y, np.maximum(x, 0.0))
        np.testing.assert_array_equal(dx, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0])
        assert y.dtype == dx.dtype == dtype
