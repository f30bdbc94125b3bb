"""The reverse kernel and its coefficients against Bayes' rule and the printed formulas, with and without skips."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from exact import SCHEDULES, kernel, posterior
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.forward import q_posterior
from numpy_diffusion.reverse import (
    METHODS,
    VARIANCES,
    Coefficients,
    chosen_steps,
    coefficients,
    mu_from_eps,
    reverse_variance,
    x0_from_eps,
)
from numpy_diffusion.schedules import Schedule

FLAT = settings(deadline=None, max_examples=60)
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


@st.composite
def chains(draw: st.DrawFn) -> tuple[Schedule, list[int]]:
    """A schedule and some of its steps, T among them, from T down."""
    schedule = SCHEDULES[draw(st.sampled_from(list(SCHEDULES)))]
    some = draw(st.sets(st.integers(1, schedule.T), max_size=8))
    return schedule, sorted(some | {schedule.T}, reverse=True)


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
    np.testing.assert_array_equal(reverse_variance(schedule, t), schedule.beta[1:])
    np.testing.assert_array_equal(reverse_variance(schedule, t, "beta", t - 1), schedule.beta[1:])
    np.testing.assert_allclose(
        reverse_variance(schedule, t, "beta_tilde"), schedule.beta_tilde[1:], rtol=CANCELLATION
    )
    assert reverse_variance(schedule, 1, "beta_tilde") == 0.0


def step(chain: Coefficients, k: int, xt: np.ndarray, eps: np.ndarray) -> np.ndarray:
    return chain.a[k] * xt + chain.b[k] * eps


@FLAT
@given(chains(), st.sampled_from(VARIANCES))
def test_ancestral_coefficients_are_mu_and_the_variance(case: tuple[Schedule, list[int]], variance: str) -> None:
    schedule, times = case
    chain = coefficients(schedule, "ancestral", steps=times, variance=variance)
    assert chain.t.tolist() == times
    assert chain.s.tolist() == [*times[1:], 0]
    xt, eps = drawn(4)
    for k, (t, s) in enumerate(zip(chain.t, chain.s, strict=True)):
        rounding = 1e-14 * (chain.a[k] + abs(chain.b[k]))
        np.testing.assert_allclose(
            step(chain, k, xt, eps), mu_from_eps(xt, eps, t, schedule, s), rtol=0, atol=rounding
        )
        expected = reverse_variance(schedule, t, variance, s) if s > 0 else 0.0  # z = 0 at the last step
        np.testing.assert_allclose(chain.c[k] ** 2, expected, rtol=1e-14)


@FLAT
@given(chains(), st.floats(0.0, 1.0))
def test_ddim_coefficients_are_equation_12_of_song_et_al(case: tuple[Schedule, list[int]], eta: float) -> None:
    schedule, times = case
    chain = coefficients(schedule, "ddim", steps=times, eta=eta)
    xt, eps = drawn(5)
    for k, (t, s) in enumerate(zip(times, [*times[1:], 0], strict=True)):
        (root_alpha_t, noise_t), (root_alpha_s, noise_s) = kernel(schedule, t), kernel(schedule, s)
        # Their alpha is alpha_bar here.  eq 16: eta sqrt((1 - alpha_s) / (1 - alpha_t)) sqrt(1 - alpha_t / alpha_s)
        sigma = eta * math.sqrt(noise_s / noise_t) * math.sqrt(kernel(schedule, t, s)[1])
        predicted_x0 = (xt - math.sqrt(noise_t) * eps) / root_alpha_t
        direction = math.sqrt(max(noise_s - sigma**2, 0.0)) * eps
        expected = root_alpha_s * predicted_x0 + direction
        np.testing.assert_allclose(step(chain, k, xt, eps), expected, rtol=1e-12, atol=CANCELLATION)
        np.testing.assert_allclose(chain.c[k], sigma, rtol=CANCELLATION, atol=1e-300)


@FLAT
@given(chains(), st.floats(0.0, 1.0))
def test_ddim_keeps_the_marginals_of_a_fixed_x0(case: tuple[Schedule, list[int]], eta: float) -> None:
    """From x_t = signal_t x_0 + sigma_t e the step with eps = e has mean signal_s x_0 and variance sigma_s^2."""
    schedule, times = case
    chain = coefficients(schedule, "ddim", steps=times, eta=eta)
    for k, (t, s) in enumerate(zip(chain.t, chain.s, strict=True)):
        (signal_t, variance_t), (signal_s, variance_s) = kernel(schedule, t), kernel(schedule, s)
        np.testing.assert_allclose(chain.a[k] * signal_t, signal_s, rtol=1e-12)
        noise = chain.a[k] * math.sqrt(variance_t) + chain.b[k]
        np.testing.assert_allclose(noise**2 + chain.c[k] ** 2, variance_s, rtol=1e-10, atol=1e-12)
        assert noise >= -1e-12  # the direction points to x_t: a wrong sign would leave the variance as it is


@FLAT
@given(chains())
def test_ddim_without_noise_is_deterministic_and_the_default(case: tuple[Schedule, list[int]]) -> None:
    schedule, times = case
    chain = coefficients(schedule, "ddim", steps=times)
    assert (chain.c == 0.0).all()
    np.testing.assert_array_equal(chain.b, coefficients(schedule, "ddim", steps=times, eta=0.0).b)


@EACH
def test_ddim_with_all_its_noise_is_algorithm_1_with_beta_tilde(schedule: Schedule) -> None:
    ddim = coefficients(schedule, "ddim", eta=1.0)
    ancestral = coefficients(schedule, "ancestral", variance="beta_tilde")
    np.testing.assert_array_equal(ddim.t, np.arange(schedule.T, 0, -1))
    np.testing.assert_array_equal(ddim.s, np.arange(schedule.T - 1, -1, -1))
    np.testing.assert_allclose(ddim.c[:-1] ** 2, schedule.beta_tilde[:1:-1], rtol=CANCELLATION)
    assert ddim.c[-1] == 0.0
    np.testing.assert_allclose(ddim.a, ancestral.a, rtol=1e-14)
    np.testing.assert_allclose(ddim.b, ancestral.b, rtol=0, atol=CANCELLATION)


@EACH
@pytest.mark.parametrize("method", METHODS)
def test_every_coefficient_is_finite(schedule: Schedule, method: str) -> None:
    for number in {1, schedule.T // 2 or 1, schedule.T}:
        for variance, eta in (("beta", 0.0), ("beta_tilde", 1.0)):
            chain = coefficients(schedule, method, steps=number, variance=variance, eta=eta)
            assert all(np.isfinite(values).all() for values in chain)
            assert all(len(values) == number for values in chain)


def test_ddim_stays_finite_where_next_to_no_signal_is_left() -> None:
    schedule = Schedule.from_beta(np.full(100, 0.5))
    for s in range(1, 100):
        assert np.isfinite(coefficients(schedule, "ddim", steps=[100, s], eta=1.0).b).all()


@FLAT
@given(T=st.integers(1, 1200), data=st.data())
def test_evenly_spaced_steps(T: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, T))
    schedule = Schedule.from_beta(np.full(T, 0.999))
    times = chosen_steps(schedule, number)
    assert times[0] == T
    assert len(times) == number
    gaps = -np.diff(np.append(times, 0))
    assert (gaps >= 1).all()
    assert (
        np.abs(gaps - T / number).max() < 1.5
    )  # two ends, each rounded by at most a half: never the first few steps
    np.testing.assert_array_equal(chosen_steps(schedule), np.arange(T, 0, -1))
    np.testing.assert_array_equal(chosen_steps(schedule, T), np.arange(T, 0, -1))


def test_steps_as_given_are_sorted_from_the_top() -> None:
    for given_steps in ([3, 1000, 20], (20, 3, 1000), np.array([1000, 20, 3], np.uint16)):
        assert chosen_steps(LINEAR, given_steps).tolist() == [1000, 20, 3]
    assert chosen_steps(LINEAR, [1000]).tolist() == [1000]
    assert coefficients(LINEAR, steps=[3, 1000, 20]).s.tolist() == [20, 3, 0]


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("schedule", value) for value in BAD_SCHEDULE],
        *[("method", value) for value in ("ddpm", None, 1)],
        *[("variance", value) for value in ("large", None, 0.5)],
        *[("eta", value) for value in (-0.1, 1.1, math.nan, math.inf, "0", None, True)],
        *[("steps", value) for value in (0, 1001, -1, 2.5, True, "all", [], [0], [1001], [5, 5], [1.0], [[1], [2]])],
    ],
    ids=shown,
)
def test_bad_arguments_of_the_coefficients_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        coefficients(**{"schedule": LINEAR} | {name: value})


def test_an_unknown_kind_of_variance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^kind: expected one of 'beta', 'beta_tilde', got str 'small'"):
        reverse_variance(LINEAR, 1, "small")


@pytest.mark.parametrize("function", [mu_from_eps, x0_from_eps])
@pytest.mark.parametrize("name", ["xt", "eps"])
@pytest.mark.parametrize("value", [np.zeros((1, 2)), np.full((3, 2), np.nan), np.zeros((0, 2)), "x", None], ids=shown)
def test_bad_arrays_are_refused_by_name(function: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(xt|eps): expected .*, got "):
        function(**{"xt": X, "eps": X, "t": 1, "schedule": LINEAR} | {name: value})
