"""Adam against the paper's algorithm, number by number; the learning rate's course; the average of the weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from checks.optimizers import check_adam, course
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.training.optimizers import Adam, adam_step, average_decays, average_step, learning_rates

FLAT = settings(deadline=None, max_examples=40)


@pytest.mark.parametrize(
    "adam", [Adam(), Adam(0.5, 0.9, 1e-3, 0.3), Adam(beta1=0.0), Adam(beta2=0.0), Adam(weight_decay=1.0)]
)
def test_adam_is_the_paper_s_algorithm(adam: Adam) -> None:
    check_adam(adam)


def test_the_settings_are_the_paper_s() -> None:
    assert Adam() == (0.9, 0.999, 1e-8, 0.0)


@FLAT
@given(gradient=st.floats(-1e6, 1e6).filter(lambda g: abs(g) > 1e-3), rate=st.floats(1e-5, 1.0))
def test_the_first_step_is_as_long_as_the_learning_rate(gradient: float, rate: float) -> None:
    theta = course(np.array([2.0]), np.array([[gradient]]), np.array([rate]), Adam())
    assert theta[0, 0] == pytest.approx(2.0 - math.copysign(rate, gradient), abs=2e-5 * rate + 1e-15)


def test_steps_of_a_constant_gradient_stay_as_long_as_the_learning_rate() -> None:
    gradients, rates = np.full((50, 2), [3.0, -0.01]), np.full(50, 0.01)
    expected = np.arange(1, 51)[:, None] * np.array([-0.01, 0.01])
    np.testing.assert_allclose(course(np.zeros(2), gradients, rates, Adam()), expected, rtol=2e-6)


def test_decay_is_decoupled_from_the_gradient() -> None:
    """What it takes is rate x decay x theta, whatever the gradients were and are: they do not see it."""
    rng = np.random.default_rng(2)
    theta, rates = rng.normal(size=4), np.full(1, 0.1)
    for size in (1e-4, 1.0, 1e4):
        gradients = size * rng.normal(size=(1, 4))
        plain, decayed = (course(theta, gradients, rates, Adam(weight_decay=decay)) for decay in (0.0, 0.5))
        np.testing.assert_allclose(plain - decayed, 0.1 * 0.5 * theta[None], rtol=1e-9)
    none = course(theta, np.zeros((20, 4)), np.full(20, 0.1), Adam(weight_decay=0.5))
    np.testing.assert_allclose(none[-1], theta * (1.0 - 0.1 * 0.5) ** 20, rtol=1e-12)


def test_a_step_is_in_place_and_keeps_float32() -> None:
    arrays = [np.full(3, value, np.float32) for value in (1.0, 2.0, 0.0, 0.0)]
    parameters, gradient, m, v = arrays
    adam_step(parameters, gradient, m, v, 1, 0.1, Adam())
    for array, expected in zip(arrays, (0.9, 2.0, 0.2, 0.004), strict=True):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, expected, rtol=1e-6)


@FLAT
@given(peak=st.floats(1e-6, 10.0), steps=st.integers(1, 300), data=st.data())
def test_the_rate_rises_in_a_line_and_falls_in_a_half_cosine(peak: float, steps: int, data: st.DataObject) -> None:
    warmup = data.draw(st.integers(0, steps))
    rates = learning_rates(peak, steps, warmup)
    assert rates.shape == (steps,)
    for step, rate in enumerate(rates.tolist(), start=1):
        left = math.cos(math.pi * (step - warmup) / (steps - warmup + 1))  # no step has the rate 0 of the end
        expected = peak * (step / warmup if step <= warmup else 0.5 * (1.0 + left))
        assert rate == pytest.approx(expected, rel=1e-9)
        assert 0.0 < rate <= peak
    assert (np.diff(rates[:warmup]) > 0).all()
    assert (np.diff(rates[max(warmup - 1, 0) :]) < 0).all()
    if warmup:
        assert rates[warmup - 1] == peak


def test_the_average_is_the_weighted_sum_of_what_was() -> None:
    rng = np.random.default_rng(3)
    start, courses, decays = rng.normal(size=6), rng.normal(size=(40, 6)), rng.uniform(0.5, 1.0, 40)
    average = start.copy()
    for parameters, decay in zip(courses, decays, strict=True):
        average_step(average, parameters, decay)
    shares = [(1.0 - decays[k]) * np.prod(decays[k + 1 :]) for k in range(40)]
    np.testing.assert_allclose(average, np.prod(decays) * start + shares @ courses, rtol=1e-12)


def test_the_average_forgets_its_start_sooner_than_it_decays_later() -> None:
    decays = average_decays(0.999, 1, 20_000)
    np.testing.assert_allclose(decays[:3], [2 / 11, 3 / 12, 4 / 13], rtol=1e-15)
    assert (decays[:8989] < 0.999).all()
    assert (decays[8989:] == 0.999).all()  # from step 8990 on: 8991 / 9000
    assert (np.diff(decays[:8989]) > 0).all()
    np.testing.assert_array_equal(average_decays(0.999, 11, 30), decays[10:30])
    np.testing.assert_array_equal(average_decays(0.0, 1, 5), np.zeros(5))
