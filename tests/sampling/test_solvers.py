"""The samplers' tables against the printed formulas, by their observed orders, and with the exact variance."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from checks.chains import marginal, run, run_rows
from checks.exact import SCHEDULES, kernel
from checks.solvers import (
    CORRELATED,
    FINE,
    HIGH,
    LOW,
    MIXTURE,
    ORDERS,
    POINTS,
    TIMES,
    check_as_printed,
    check_order,
    check_order_on_a_gaussian,
    drawn,
    even,
    table,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.oracles import moments
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.oracles.moments import chain_moments
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.reverse import FIXED_VARIANCES, mu_from_eps, reverse_variance
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.solvers import METHODS, OPTIONS, climbing, coefficients

FLAT = settings(deadline=None, max_examples=60)
LINEAR = SCHEDULES["linear 1000"]
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
CANCELLATION = 1e-11  # see test_reverse.py


def shown(value: Any) -> str:
    return str(value)[:20].replace("\n", "")


@st.composite
def chains(draw: st.DrawFn) -> tuple[Schedule, list[int]]:
    """A schedule and some of its steps, T among them, from T down."""
    schedule = SCHEDULES[draw(st.sampled_from(list(SCHEDULES)))]
    some = draw(st.sets(st.integers(1, schedule.T), max_size=8))
    return schedule, sorted(some | {schedule.T}, reverse=True)


def step(chain: Coefficients, k: int, xt: np.ndarray, eps: np.ndarray) -> np.ndarray:
    return chain.a[k] * xt + chain.b[k, 0] * eps


@FLAT
@given(chains(), st.sampled_from(FIXED_VARIANCES))
def test_ancestral_coefficients_are_mu_and_the_variance(case: tuple[Schedule, list[int]], variance: str) -> None:
    schedule, times = case
    chain = coefficients(schedule, "ancestral", steps=times, variance=variance)
    assert chain.t.tolist() == times
    assert chain.s.tolist() == [*times[1:], 0]
    xt, eps = drawn(4)
    for k, (t, s) in enumerate(zip(chain.t, chain.s, strict=True)):
        rounding = 1e-14 * (chain.a[k] + abs(chain.b[k, 0]))
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
@given(chains())
def test_climbing_undoes_ddim_step_by_step(case: tuple[Schedule, list[int]]) -> None:
    """x_s = a x_t + b eps solved for x_t, asked thrice: from below, and twice where it has arrived."""
    schedule, times = case
    down = coefficients(schedule, "ddim", steps=times)
    up = climbing(schedule, down.t, down.s)
    assert len(up.t) == 3 * len(times)
    for k in range(len(times)):
        rows, step_down = slice(3 * k, 3 * k + 3), len(times) - 1 - k
        np.testing.assert_allclose(up.a[rows], 1.0 / down.a[step_down], rtol=1e-12)
        np.testing.assert_allclose(up.b[rows, 0], -down.b[step_down, 0] / down.a[step_down], rtol=1e-6, atol=1e-12)
        t, s = int(down.t[step_down]), int(down.s[step_down])
        assert up.t[rows].tolist() == [s or t, t, t]
        assert up.s[rows].tolist() == [t, t, t]
        assert up.accept[rows].tolist() == [False, False, True]
    assert (up.c == 0.0).all()
    assert (up.b[:, 1:] == 0.0).all()


@FLAT
@given(chains(), st.floats(0.0, 1.0))
def test_ddim_keeps_the_marginals_of_a_fixed_x0(case: tuple[Schedule, list[int]], eta: float) -> None:
    """From x_t = signal_t x_0 + sigma_t e the step with eps = e has mean signal_s x_0 and variance sigma_s^2."""
    schedule, times = case
    chain = coefficients(schedule, "ddim", steps=times, eta=eta)
    for k, (t, s) in enumerate(zip(chain.t, chain.s, strict=True)):
        (signal_t, variance_t), (signal_s, variance_s) = kernel(schedule, t), kernel(schedule, s)
        np.testing.assert_allclose(chain.a[k] * signal_t, signal_s, rtol=1e-12)
        noise = chain.a[k] * math.sqrt(variance_t) + chain.b[k, 0]
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
        for option in ({}, {"variance": "beta_tilde"}, {"eta": 1.0}, {"churn": 1.0}):
            if all(method in OPTIONS[name] for name in option):
                chain = coefficients(schedule, method, steps=number, **option)
                assert all(np.isfinite(values).all() for values in chain)
                assert len({len(values) for values in chain}) == 1
                assert chain.accept.sum() == number
                assert (chain.t[1:] == chain.s[:-1]).all()
                assert (chain.t[0], chain.s[-1], chain.accept[-1]) == (schedule.T, 0, True)


def test_ddim_stays_finite_where_next_to_no_signal_is_left() -> None:
    schedule = Schedule.from_beta(np.full(100, 0.5))
    for s in range(1, 100):
        assert np.isfinite(coefficients(schedule, "ddim", steps=[100, s], eta=1.0).b).all()


# --- the solvers, as printed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [TIMES, [*TIMES, 0], [1000, 0], [1000, 400], [1000, 400, 0]], ids=len)
@pytest.mark.parametrize("name", ["linear 1000", "sigmoid 1000"])
def test_euler_heun_and_2m_are_their_papers_algorithms(name: str, times: list[int]) -> None:
    check_as_printed(SCHEDULES[name], times)


@EACH
def test_euler_is_ddim_without_noise(schedule: Schedule) -> None:
    for steps in (None, max(1, schedule.T // 3)):
        for one, two in zip(*(coefficients(schedule, name, steps=steps) for name in ("euler", "ddim")), strict=True):
            np.testing.assert_array_equal(one, two)


def exact_integral(t: int, s: int, y: float, x0: np.ndarray) -> float:
    """x_s = sigma_s / sigma_t x_t + sigma_s int exp(lambda) x_0(lambda) dlambda (Lu et al. 2022, Proposition 4.1)."""
    alpha, sigma = np.sqrt(LINEAR.alpha_bar), np.sqrt(1 - LINEAR.alpha_bar)
    low, high = np.log(alpha[[t, s]] / sigma[[t, s]])
    nodes, weights = np.polynomial.legendre.leggauss(40)
    place = (high + low + (high - low) * nodes) / 2
    integral = (high - low) / 2 * (weights * np.exp(place) * np.polyval(x0, place)).sum()
    return sigma[s] * (y / sigma[t] + integral)


@pytest.mark.parametrize(("x0", "from_step"), [([0.5, 2.0], 0), ([1.5, -0.5, 2.0], 3)], ids=["line", "parabola"])
def test_3m_is_exact_where_x0_is_what_it_takes_it_for(x0: list[float], from_step: int) -> None:
    """A line in lambda in all its steps, a parabola from the fourth on, wherever the steps lie."""
    alpha, sigma = np.sqrt(LINEAR.alpha_bar), np.sqrt(1 - LINEAR.alpha_bar)

    def model(x: np.ndarray, t: int) -> np.ndarray:
        return (x - alpha[t] * np.polyval(x0, math.log(alpha[t] / sigma[t]))) / sigma[t]

    chain = table(LINEAR, "dpm++3m", TIMES)
    landed = [
        y.item() for y, accept in zip(run_rows(chain, model, np.ones((1, 1))), chain.accept, strict=True) if accept
    ]
    for k, (t, s) in enumerate(itertools.pairwise(TIMES)):
        exact = exact_integral(t, s, ([1.0, *landed])[k], np.array(x0))
        assert (abs(landed[k] - exact) < 1e-10) == (k >= from_step)


def test_3m_ends_with_a_step_of_first_order() -> None:
    model, x = MIXTURE.eps(LINEAR), drawn(7)[0, :, :2]
    for times in ([1000], [1000, 300], TIMES):
        before = run(table(LINEAR, "dpm++3m", times), model, x) if len(times) > 1 else x
        t = times[-1]
        x0 = (before - math.sqrt(1 - LINEAR.alpha_bar[t]) * model(before, t)) / math.sqrt(LINEAR.alpha_bar[t])
        np.testing.assert_allclose(run(table(LINEAR, "dpm++3m", [*times, 0]), model, x), x0, rtol=0, atol=1e-11)


def test_how_often_the_model_is_asked() -> None:
    asked = {"ancestral": 10, "ddim": 10, "euler": 10, "heun": 19, "dpm++2m": 10, "dpm++3m": 11}
    assert {method: len(coefficients(LINEAR, method, steps=10).t) for method in METHODS} == asked


# --- observed orders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ORDERS)
def test_order_on_the_closed_form_flow_of_a_gaussian(method: str) -> None:
    check_order_on_a_gaussian(method)


def test_covariance_follows_the_flow_too() -> None:
    _, covariances = chain_moments(
        CORRELATED, FINE, table(FINE, "dpm++3m", even(2048)), *marginal(CORRELATED, FINE, HIGH)
    )
    np.testing.assert_allclose(covariances[-1], marginal(CORRELATED, FINE, LOW)[1], rtol=0, atol=1e-8)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """3M with four times as many steps as the most that are tried: 1/64 of its own error there."""
    return run(table(FINE, "dpm++3m", even(8192)), MIXTURE.eps(FINE), POINTS)


@pytest.mark.parametrize("method", ORDERS)
def test_order_on_a_mixture(method: str, reference: np.ndarray) -> None:
    check_order(method, MIXTURE.eps(FINE), reference, 128)


# --- churn -----------------------------------------------------------------------------------------------------

CHURNED = pytest.mark.parametrize("method", ["euler", "heun"])


@CHURNED
@pytest.mark.parametrize("churn", [0.5, 4.0, 100.0])
def test_churn_is_forward_noise_to_the_nearest_step(method: str, churn: float) -> None:
    """Each landing is that of the plain row from where it began, and then q from s up to where the next begins."""
    times = [1000, 900, 500, 200, 20, 0]
    gamma = min(churn / 5, math.sqrt(2) - 1)
    log_sigma = -0.5 * LINEAR.log_snr[1:]
    begin = [1000, *(1 + np.abs(log_sigma - log_sigma[t - 1] - math.log1p(gamma)).argmin() for t in times[1:-1]), 0]
    found = table(LINEAR, method, times, churn=churn)
    landings = np.flatnonzero(found.accept)
    assert found.s[landings].tolist() == begin[1:]
    for k, j in enumerate(landings):
        plain = table(LINEAR, method, [begin[k], times[k + 1]])
        signal, variance = kernel(LINEAR, begin[k + 1], times[k + 1])
        np.testing.assert_allclose(found.a[j], signal * plain.a[-1], rtol=1e-12)
        np.testing.assert_allclose(found.b[j], signal * plain.b[-1], rtol=1e-12)
        np.testing.assert_allclose(found.c[j] ** 2, variance, rtol=CANCELLATION)
    assert max(begin[1:]) <= 1000


@CHURNED
def test_no_two_rows_share_their_noise(method: str) -> None:
    chain = coefficients(LINEAR, method, churn=200.0)
    assert len(np.unique(chain.noise[chain.c > 0.0])) == (chain.c > 0.0).sum() > 900
    assert (chain.s[chain.accept] == 1000).sum() > 1  # though many rise to T


@pytest.mark.parametrize(("method", "allowed"), [("euler", 0.1), ("heun", 0.01)])
def test_churn_leaves_the_distribution_what_it_is(method: str, allowed: float) -> None:
    """But for the errors of the steps, which are longer by it: those of Euler's are of first order."""
    chain = coefficients(LINEAR, method, steps=500, churn=60.0)
    means, covariances = chain_moments(CORRELATED, LINEAR, chain, *marginal(CORRELATED, LINEAR, 1000))
    np.testing.assert_allclose(means[-1], CORRELATED.mean, rtol=0, atol=0.01)
    np.testing.assert_allclose(covariances[-1], CORRELATED.covariance, rtol=0, atol=allowed)
    assert (chain.c > 0.0).sum() > 490


# --- the variance of Algorithm 1 -------------------------------------------------------------------------------


def end_error(schedule: Schedule, spread: float, variance: np.ndarray) -> float:
    """How far Algorithm 1, from the exact q(x_T), ends from the moments of N(m, spread I)."""
    data = Gaussian([1.0, -3.0], spread * np.eye(2))
    chain = coefficients(schedule, variance=variance)
    means, covariances = chain_moments(data, schedule, chain, *marginal(data, schedule, schedule.T))
    np.testing.assert_allclose(means[-1], data.mean, rtol=0, atol=1e-9)
    return np.abs(covariances[-1] - data.covariance).max()


@EACH
@pytest.mark.parametrize("spread", [0.0, 0.01, 0.5, 1.0, 9.0])
def test_the_optimal_variance_gives_isotropic_data_back(schedule: Schedule, spread: float) -> None:
    data = Gaussian([1.0, -3.0], spread * np.eye(2))
    assert end_error(schedule, spread, moments.gaussian_optimal_variance(data, schedule)) < 1e-10


@EACH
@pytest.mark.parametrize("spread", [0.0, 0.01, 0.5, 1.0, 9.0])
def test_the_fixed_variances_do_so_for_one_spread_each(schedule: Schedule, spread: float) -> None:
    for variance, right in ((schedule.beta, 1.0), (schedule.beta_tilde, 0.0)):
        error = end_error(schedule, spread, variance)
        assert error < 1e-10 if spread == right else error > 1e-6


def test_an_array_is_a_variance_for_each_step_and_coordinate() -> None:
    values = np.random.default_rng(8).uniform(0.0, 0.1, (1001, 2, 3))
    chain = coefficients(LINEAR, steps=[1000, 400, 7], variance=values)
    np.testing.assert_array_equal(chain.c, np.sqrt(values[[1000, 400, 7]]))
    np.testing.assert_array_equal(coefficients(LINEAR, variance=values[:, 0, 0]).c, np.sqrt(values[:0:-1, 0, 0]))
    assert coefficients(LINEAR, variance="beta").c[-1] == 0.0  # a name leaves the last step without


def test_a_learned_variance_is_left_open() -> None:
    chain = coefficients(LINEAR, steps=3, variance="learned")
    assert chain.learned.tolist() == [True, True, False]
    with pytest.raises(ValueError, match=r"^coefficients\.learned: expected rows whose variance is known"):
        chain_moments(CORRELATED, LINEAR, chain)


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("schedule", value) for value in (None, "linear", LINEAR.beta)],
        *[("method", value) for value in ("ddpm", "DDIM", None, 1)],
        *[
            ("variance", value)
            for value in ("large", None, 0.5, np.zeros(1000), np.full(1001, -1.0), [[1.0], [1, 2]])
        ],
        *[("eta", value) for value in (-0.1, 1.1, math.nan, math.inf, "0", None, True)],
        *[("churn", value) for value in (-0.1, math.nan, math.inf, "0", None, True)],
        *[("steps", value) for value in (0, 1001, -1, 2.5, True, "all", [], [0], [1001], [5, 5], [1.0], [[1], [2]])],
    ],
    ids=shown,
)
def test_bad_arguments_of_the_coefficients_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        coefficients(**{"schedule": LINEAR} | {name: value})


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_does_not_use_is_refused(method: str) -> None:
    for name, value in {"variance": "beta_tilde", "eta": 0.5, "churn": 1.0}.items():
        if method in OPTIONS[name]:
            assert np.isfinite(coefficients(LINEAR, method, **{name: value}).c).all()
        else:
            with pytest.raises(
                ValueError, match=rf"^{name}: expected .* with method '{re.escape(method)}', which does"
            ):
                coefficients(LINEAR, method, **{name: value})
    if method != "ancestral":
        with pytest.raises(ValueError, match=r"^variance: expected 'beta' .*, got an array$"):
            coefficients(LINEAR, method, variance=LINEAR.beta)
