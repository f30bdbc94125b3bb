"""The weights lambda(t) against the bound's own terms, and the loss against its definition and its differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, kernel, posterior
from checks.gradcheck import errors, wrong
from checks.losses import NO_SIGNAL, check_min_snr, check_vlb
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.process.predictions import Prediction, eps_from
from numpy_diffusion.process.reverse import mu_from_eps
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import learned_variance
from numpy_diffusion.training.losses import (
    BOUND_WEIGHT,
    WEIGHT,
    WEIGHTINGS,
    bound_table,
    of_prediction,
    variance_loss,
    weighted,
    weights,
)

FLAT = settings(deadline=None, max_examples=40)
LINEAR = SCHEDULES["linear 1000"]
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@EACH
def test_vlb_is_the_weight_of_the_bound(schedule: Schedule) -> None:
    check_vlb(schedule)


@EACH
def test_vlb_is_equation_12_of_ho_et_al(schedule: Schedule) -> None:
    beta = schedule.beta[1:]
    alpha, alpha_bar = 1 - beta, np.cumprod(1 - beta)
    np.testing.assert_allclose(weights(schedule, "vlb")[1:], beta / (2 * alpha * (1 - alpha_bar)), rtol=1e-12)


@EACH
def test_simple_is_one(schedule: Schedule) -> None:
    np.testing.assert_array_equal(weights(schedule), np.arange(schedule.T + 1) > 0)
    np.testing.assert_array_equal(weights(schedule, "simple"), weights(schedule))


@EACH
def test_min_snr_is_its_definition(schedule: Schedule) -> None:
    check_min_snr(schedule)


def test_min_snr_is_one_where_no_signal_is_left() -> None:
    assert NO_SIGNAL.snr[-1] == 0.0  # alpha_bar is below the least float64
    assert weights(NO_SIGNAL, "min_snr")[-1] == 1.0
    check_min_snr(NO_SIGNAL)


@EACH
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_weights_are_indexed_by_t_finite_and_positive(schedule: Schedule, weighting: str) -> None:
    lambda_t = weights(schedule, weighting)
    assert lambda_t.shape == (schedule.T + 1,)
    assert lambda_t.dtype == np.float64
    assert lambda_t[0] == 0.0
    assert np.isfinite(lambda_t).all()
    assert (lambda_t[1:] > 0.0).all()


def test_own_weights_are_those_of_t_from_1_on() -> None:
    own = np.linspace(0.0, 3.0, 10)
    for given_weights in (own, own.tolist(), own.astype(np.float32)):
        lambda_t = weights(SCHEDULES["linear 10"], given_weights)
        np.testing.assert_allclose(lambda_t, [0.0, *own], rtol=1e-7)
        assert lambda_t.dtype == np.float64
    assert own[0] == 0.0  # is not changed
    many = weights(SCHEDULES["linear 10"], [16_777_217] * 10)[1:]  # 2^24 + 1, which float32 does not hold
    np.testing.assert_array_equal(many, 16_777_217.0)


@pytest.mark.parametrize(
    ("weighting", "complaint"),
    [
        ("snr", r"expected one of 'simple', 'vlb', 'min_snr', got str 'snr'; did you mean 'min_snr'\?"),
        (np.ones(11), r"expected shape \[10\], got \[11\]"),
        (np.ones((10, 1)), r"expected shape \[10\], got \[10, 1\]"),
        (np.ones(0), r"expected shape \[10\], got \[0\]"),
        (1.0, r"expected shape \[10\], got \[\]"),
        (None, "expected real numbers, got dtype object"),
        (["a"] * 10, "expected real numbers, got dtype <U1"),
        ([*[1.0] * 9, np.nan], "expected finite values, got 1 that are NaN or infinite in float64"),
        ([*[1.0] * 9, -0.5], "expected values of at least 0, got -0.5"),
    ],
)
def test_weights_that_are_none_are_refused(weighting: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^weighting: {complaint}$"):
        weights(SCHEDULES["linear 10"], weighting)


SHAPES = st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple)


@FLAT
@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_the_loss_is_the_mean_of_the_weighted_squares(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    eps_hat, eps, lambda_t = rng.normal(size=shape), rng.normal(size=shape), rng.uniform(0.0, 3.0, shape[0])
    losses, _ = of_prediction(eps_hat, eps, lambda_t)
    expected = np.zeros(shape[0])
    for index in np.ndindex(shape):
        expected[index[0]] += lambda_t[index[0]] * (eps[index] - eps_hat[index]) ** 2 / math.prod(shape[1:])
    np.testing.assert_allclose(losses, expected, rtol=1e-13)


@FLAT
@given(shape=SHAPES, seed=st.integers(0, 1000))
def test_the_gradient_is_that_of_the_loss(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    eps_hat, eps, lambda_t = rng.normal(size=shape), rng.normal(size=shape), rng.uniform(0.0, 3.0, shape[0])
    gradient = of_prediction(eps_hat, eps, lambda_t)[1]
    found = errors(
        lambda: of_prediction(eps_hat, eps, lambda_t)[0].mean(), {"eps_hat": eps_hat}, {"eps_hat": gradient}
    )
    assert wrong(found) == []


def test_float32_stays_float32() -> None:
    gradient = of_prediction(np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32), np.ones(3))[1]
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 2.0 / 6.0, rtol=1e-6)


def check_variance_loss(schedule: Schedule) -> None:
    """A step's term is KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), and at t = 1 it is -log p(x_0 | x_1)."""
    rng, table = np.random.default_rng(2), bound_table(schedule)
    for t in sorted({1, 2, schedule.T // 2, schedule.T} - {0} & set(range(1, schedule.T + 1))):
        x0, eps, eps_hat, head = rng.normal(size=(4, 1, 3))
        signal, noise = kernel(schedule, t)
        xt = signal * x0 + math.sqrt(noise) * eps
        mean, variance = posterior(schedule, x0, xt, t, t - 1)
        mu, sigma2 = mu_from_eps(xt, eps_hat, t, schedule), learned_variance(schedule, 0.5 * (head + 1.0), t)
        if t == 1:
            terms = 0.5 * (np.log(2.0 * np.pi * sigma2) + (x0 - mu) ** 2 / sigma2)
        else:
            ratio = variance / sigma2
            terms = 0.5 * ((mean - mu) ** 2 / sigma2 + ratio - 1.0 - np.log(ratio))
        (loss,), _ = variance_loss(head, eps_hat, eps, table[[t]])
        # mu is off by up to 1e-12 / signal (see test_reverse.py), in units of sigma
        allowed = 1e-9 * (1.0 + abs(terms).max()) + 1e-9 / signal
        assert abs(loss - BOUND_WEIGHT * schedule.T * terms.mean()) <= BOUND_WEIGHT * schedule.T * allowed


@EACH
def test_the_variance_loss_is_a_term_of_the_bound(schedule: Schedule) -> None:
    check_variance_loss(schedule)


@EACH
@pytest.mark.parametrize("predicts", ["x0", "v"])
def test_the_variance_loss_is_the_same_of_what_else_is_predicted(schedule: Schedule, predicts: Prediction) -> None:
    """But that a step weighs less where an error in it is more than sqrt(5) times as large in eps."""
    rng, t = np.random.default_rng(4), np.arange(1, schedule.T + 1)
    xt, predicted, other, head = rng.normal(size=(4, schedule.T, 3))
    eps, eps_hat = (eps_from(predicts, xt, each, t, schedule) for each in (other, predicted))
    expected = variance_loss(head, eps_hat, eps, bound_table(schedule)[t])
    found = variance_loss(head, predicted, other, bound_table(schedule, predicts)[t])
    larger = schedule.snr[1:] if predicts == "x0" else schedule.alpha_bar[1:]
    weight = np.minimum(1.0, 5.0 / larger)
    np.testing.assert_allclose(found[0], weight * expected[0], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found[1], weight[:, None] * expected[1], rtol=1e-6, atol=1e-12)


@FLAT
@given(N=st.integers(1, 4), D=st.integers(1, 4), seed=st.integers(0, 1000))
def test_the_variance_loss_has_the_gradient_of_its_head(N: int, D: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    head, eps_hat, eps = rng.normal(size=(3, N, D))
    table = bound_table(LINEAR)[rng.integers(1, 1001, N)]
    gradient = variance_loss(head, eps_hat, eps, table)[1]
    found = errors(lambda: variance_loss(head, eps_hat, eps, table)[0].mean(), {"head": head}, {"head": gradient})
    assert wrong(found) == []


def test_a_weighted_table_has_the_weights_of_its_steps_multiplied() -> None:
    table, factors = bound_table(SCHEDULES["linear 10"]), np.linspace(0.5, 3.0, 11)
    found = weighted(table, factors)
    np.testing.assert_array_equal(found[:, :WEIGHT], table[:, :WEIGHT])
    np.testing.assert_allclose(found[:, WEIGHT], table[:, WEIGHT] * factors, rtol=1e-15)
    assert table[3, WEIGHT] == BOUND_WEIGHT * 10  # is not changed
