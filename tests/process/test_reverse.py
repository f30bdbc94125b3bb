"""The reverse kernel against Bayes' rule, with and without skips."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, kernel, posterior

from numpy_diffusion.process.forward import q_posterior
from numpy_diffusion.process.reverse import mu_from_eps, reverse_variance, skipped, x0_from_eps
from numpy_diffusion.process.schedules import Schedule

LINEAR = SCHEDULES["linear 1000"]
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)

# 1 - alpha_bar near 0 keeps 1e-16 / beta_1 of its digits, beta_1 being 4e-5 at the least here.
CANCELLATION = 1e-11


def drawn(seed: int, N: int = 4) -> np.ndarray:
    """x_t and eps: [2, N, 3]."""
    return np.random.default_rng(seed).normal(size=(2, N, 3))


def skips(schedule: Schedule) -> Iterator[tuple[int, int]]:
    """(t, s) with s < t: all neighbours, and the ends and the middle with what lies far below them."""
    T = schedule.T
    yield from ((t, t - 1) for t in range(1, T + 1))
    yield from {(t, s) for t in (T, T // 2 + 1, 2) for s in (0, 1, T // 7, T // 2) if s < t <= T}


@EACH
def test_mu_is_the_posterior_mean_at_the_x0_that_eps_stands_for(schedule: Schedule) -> None:
    xt, eps = drawn(1)
    for t, s in skips(schedule):
        mu = mu_from_eps(xt, eps, t, schedule, s)
        signal, variance = kernel(schedule, t)
        x0 = (xt - math.sqrt(variance) * eps) / signal
        expected, _ = posterior(schedule, x0, xt, t, s)
        # x0 is up to 1 / signal in size, and as much of it must cancel.
        np.testing.assert_allclose(mu, expected, rtol=1e-12, atol=CANCELLATION)
        if s == t - 1:
            np.testing.assert_array_equal(mu, mu_from_eps(xt, eps, t, schedule))
            own = q_posterior(x0_from_eps(xt, eps, t, schedule), xt, t, schedule)[0]
            np.testing.assert_allclose(mu, own, rtol=1e-12, atol=CANCELLATION)


@EACH
def test_x0_from_eps_undoes_the_jump(schedule: Schedule) -> None:
    x0, eps = drawn(2)
    for t in range(1, schedule.T + 1):
        signal, variance = kernel(schedule, t)
        back = x0_from_eps(signal * x0 + math.sqrt(variance) * eps, eps, t, schedule)
        np.testing.assert_allclose(back, x0, rtol=0, atol=1e-13 / signal)  # rounding of x_t, divided by the signal


@pytest.mark.parametrize("function", [mu_from_eps, x0_from_eps])
def test_a_step_for_each_sample_is_that_of_each_alone(function: Any) -> None:
    xt, eps = np.random.default_rng(3).normal(size=(2, 4, 3, 2))
    t = np.array([1, 2, 700, 1000])
    whole = function(xt, eps, t, LINEAR)
    for n in range(4):
        np.testing.assert_array_equal(whole[n], function(xt[n : n + 1], eps[n : n + 1], int(t[n]), LINEAR)[0])
    single = function(xt.astype(np.float32), eps.astype(np.float32), t, LINEAR)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, whole, rtol=1e-6, atol=1e-4)  # float32, over a signal of 0.006 at T


@EACH
def test_variances_are_those_of_the_two_extreme_cases(schedule: Schedule) -> None:
    """beta_tilde: x_0 is known. beta: x_0 is a standard normal, so that every x_s is."""
    zero = np.zeros(1)
    for t, s in skips(schedule):
        signal_ts, variance_ts = kernel(schedule, t, s)
        known = posterior(schedule, zero, zero, t, s)[1]
        normal = 1.0 / (1.0 + signal_ts**2 / variance_ts)  # the prior's precision is 1
        np.testing.assert_allclose(reverse_variance(schedule, t, "beta_tilde", s), known, rtol=CANCELLATION)
        np.testing.assert_allclose(reverse_variance(schedule, t, "beta", s), normal, rtol=CANCELLATION)


@EACH
def test_variances_of_single_steps_are_the_schedules_own(schedule: Schedule) -> None:
    t = np.arange(1, schedule.T + 1)
    np.testing.assert_array_equal(skipped(schedule, t, t - 1), [schedule.alpha[1:], schedule.beta[1:]])
    np.testing.assert_array_equal(reverse_variance(schedule, t), schedule.beta[1:])
    np.testing.assert_array_equal(reverse_variance(schedule, t, "beta", t - 1), schedule.beta[1:])
    np.testing.assert_allclose(
        reverse_variance(schedule, t, "beta_tilde"), schedule.beta_tilde[1:], rtol=CANCELLATION
    )
    assert reverse_variance(schedule, 1, "beta_tilde") == 0.0


X = np.zeros((3, 2))
BAD_T = [0, 1001, -1, 1.0, True, "1", None, [], [[1], [2], [3]], [1, 2, 1001]]
BAD_SCHEDULE = [None, "linear", LINEAR.beta]


def shown(value: Any) -> str:
    return str(value)[:20].replace("\n", "")


@pytest.mark.parametrize("function", [mu_from_eps, x0_from_eps, reverse_variance])
@pytest.mark.parametrize(
    ("name", "value"),
    [*[("t", value) for value in BAD_T], *[("schedule", value) for value in BAD_SCHEDULE]],
    ids=shown,
)
def test_bad_steps_and_schedules_are_refused_by_name(function: Any, name: str, value: Any) -> None:
    arguments = {"t": 1, "schedule": LINEAR} | ({} if function is reverse_variance else {"xt": X, "eps": X})
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        function(**arguments | {name: value})


@pytest.mark.parametrize("function", [mu_from_eps, reverse_variance])
@pytest.mark.parametrize("s", [5, 6, -1, 1001, 1.0, "0", [], [[1]]], ids=shown)
def test_a_bad_next_step_is_refused_by_name(function: Any, s: Any) -> None:
    arguments = {"t": 5, "s": s, "schedule": LINEAR} | ({} if function is reverse_variance else {"xt": X, "eps": X})
    with pytest.raises(ValueError, match=r"^s: expected .*, got "):
        function(**arguments)


@pytest.mark.parametrize("function", [mu_from_eps, x0_from_eps])
def test_a_number_of_steps_that_is_not_that_of_the_samples_is_refused(function: Any) -> None:
    with pytest.raises(ValueError, match=r"^t: expected one step or an array of shape \[3\], got shape \[2\]"):
        function(X, X, [1, 2], LINEAR)
    with pytest.raises(ValueError, match=r"^s: expected one step or an array of shape \[3\], got shape \[2\]"):
        mu_from_eps(X, X, 5, LINEAR, [1, 2])


def test_an_unknown_kind_of_variance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^kind: expected one of 'beta', 'beta_tilde', got str 'small'"):
        reverse_variance(LINEAR, 1, "small")


@pytest.mark.parametrize("function", [mu_from_eps, x0_from_eps])
def test_arrays_of_one_axis_are_refused(function: Any) -> None:
    with pytest.raises(ValueError, match=r"^xt: expected at least 2 axes, got shape \[3\]"):
        function(np.zeros(3), np.zeros(3), 1, LINEAR)


@pytest.mark.parametrize("function", [mu_from_eps, x0_from_eps])
@pytest.mark.parametrize("name", ["xt", "eps"])
@pytest.mark.parametrize("value", [np.zeros((1, 2)), np.full((3, 2), np.nan), np.zeros((0, 2)), "x", None], ids=shown)
def test_bad_arrays_are_refused_by_name(function: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(xt|eps): expected .*, got "):
        function(**{"xt": X, "eps": X, "t": 1, "schedule": LINEAR} | {name: value})
