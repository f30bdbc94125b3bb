"""Exact moments down the reverse chain, against chains that are run and against closed forms."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from checks.chains import affine, large, marginal, run_rows, small
from checks.exact import SCHEDULES as OF_ANY_LENGTH
from checks.gaussians import assert_moments, covariance, gaussian, mixture
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.oracles.moments import chain_moments, gaussian_optimal_variance
from numpy_diffusion.process.schedules import Schedule

FLAT = settings(deadline=None, max_examples=60)
SCHEDULES = {name: getattr(Schedule, name)(1000) for name in ("linear", "cosine", "quadratic", "sigmoid")}
LINEAR = SCHEDULES["linear"]


CHAINS = {
    "beta": lambda s, times: affine(s, times, large(s), ddim=False),
    "beta_tilde": lambda s, times: affine(s, times, small(s), ddim=False),
    "ddim 0": lambda s, times: affine(s, times, small(s, 0.0), ddim=True),
    "ddim 0.5": lambda s, times: affine(s, times, small(s, 0.5), ddim=True),
}


@pytest.mark.parametrize("kind", CHAINS)
@pytest.mark.parametrize("times", [list(range(12, 0, -1)), [12, 7, 3, 1], [9, 4], [12]], ids=str)
def test_moments_are_those_of_a_chain_that_is_run(kind: str, times: list[int]) -> None:
    schedule, data, n = Schedule.cosine(12), gaussian(11, 2), 40_000
    steps = CHAINS[kind](schedule, times)
    rng = np.random.default_rng(12)
    mean_T, root = np.array([0.5, -1.0]), np.array([[1.0, 0.0], [0.7, 0.4]])
    means, covariances = chain_moments(data, schedule, steps, mean_T, root @ root.T)
    x, model = mean_T + rng.normal(size=(n, 2)) @ root.T, data.eps(schedule)
    assert_moments(x, means[0], covariances[0])
    for k, t in enumerate(steps.t):
        x = steps.a[k] * x + steps.b[k] * model(x, int(t)) + steps.c[k] * rng.normal(size=(n, 2))
        assert_moments(x, means[k + 1], covariances[k + 1])
    assert means.shape == (len(times) + 1, 2)
    assert covariances.shape == (len(times) + 1, 2, 2)


@FLAT
@given(seed=st.integers(0, 1000), D=st.integers(1, 4), kind=st.sampled_from(sorted(CHAINS)), T=st.integers(1, 30))
def test_moments_are_those_of_plain_linear_algebra(seed: int, D: int, kind: str, T: int) -> None:
    schedule, data, rng = Schedule.linear(T), gaussian(seed, D), np.random.default_rng(seed)
    steps = CHAINS[kind](schedule, list(range(T, 0, -1)))
    mean, cov = rng.normal(size=D), covariance(rng, D)
    means, covariances = chain_moments(data, schedule, steps, mean, cov)
    for k, t in enumerate(steps.t):
        now_mean, now_cov = marginal(data, schedule, t)
        gain = steps.b[k] * math.sqrt(1 - schedule.alpha_bar[t]) * np.linalg.inv(now_cov)
        slope = steps.a[k] * np.eye(D) + gain
        mean = slope @ mean - gain @ now_mean
        cov = slope @ cov @ slope.T + steps.c[k] ** 2 * np.eye(D)
        np.testing.assert_allclose(means[k + 1], mean, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(covariances[k + 1], cov, rtol=1e-8, atol=1e-10)


@FLAT
@given(seed=st.integers(0, 1000), D=st.integers(1, 3), K=st.integers(1, 6), each=st.booleans())
def test_moments_are_those_of_any_table_run_forward(seed: int, D: int, K: int, each: bool) -> None:
    """Each row is affine in the start and in every z: what a unit of each does to the end gives the covariance."""
    schedule, data, rng = Schedule.cosine(K), gaussian(seed, D), np.random.default_rng(seed)
    t = np.arange(K, 0, -1)
    p, q, a = rng.normal(size=(3, K))
    b, c = rng.normal(size=(K, 3)), rng.uniform(size=(K, D) if each else K)
    rows = SimpleNamespace(t=t, s=t - 1, p=p, q=q, a=a, b=b, c=c, accept=rng.uniform(size=K) < 0.6)
    mean, cov = rng.normal(size=D), covariance(rng, D)
    means, covariances = chain_moments(data, schedule, rows, mean, cov)
    model = data.eps(schedule)
    plain = np.array(list(run_rows(rows, model, mean[None])))
    start = np.array(list(run_rows(rows, model, mean + np.eye(D)))) - plain  # [K, D of the start, D]
    spread = np.einsum("kid,ij,kje->kde", start, cov, start)
    for j in range(K):
        z = np.zeros((K, D, D))
        z[j] = np.eye(D)
        moved = np.array(list(run_rows(rows, model, np.tile(mean, (D, 1)), z))) - plain
        spread += np.einsum("kid,kie->kde", moved, moved)
    size = 1.0 + np.abs(spread).max()  # random rows may grow
    np.testing.assert_allclose(means[1:], plain[:, 0], rtol=1e-9, atol=1e-9 * size)
    np.testing.assert_allclose(covariances[1:], spread, rtol=0, atol=1e-9 * size)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("times", [list(range(1000, 0, -1)), [1000, 600, 599, 20, 1]], ids=len)
def test_beta_is_the_right_variance_for_standard_normal_data(name: str, times: list[int]) -> None:
    schedule = SCHEDULES[name]
    means, covariances = chain_moments(Gaussian([0, 0], np.eye(2)), schedule, CHAINS["beta"](schedule, times))
    np.testing.assert_array_equal(means, 0.0)
    expected = np.broadcast_to(np.eye(2), covariances[:-1].shape)
    np.testing.assert_allclose(covariances[:-1], expected, atol=1e-10)
    # the last step adds no noise: what it lacks is its own beta
    np.testing.assert_allclose(covariances[-1], schedule.alpha_bar[times[-1]] * np.eye(2), atol=1e-10)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("kind", ["beta_tilde", "ddim 0", "ddim 0.5"])
def test_beta_tilde_and_ddim_are_right_for_a_single_point(name: str, kind: str) -> None:
    schedule, point = SCHEDULES[name], Gaussian([2.0, -1.0], np.zeros((2, 2)))
    steps = CHAINS[kind](schedule, [1000, 900, 400, 399, 3, 1])
    means, covariances = chain_moments(point, schedule, steps, *marginal(point, schedule, 1000))
    for k, t in enumerate([*steps.t, 0]):
        mean, cov = marginal(point, schedule, t)
        np.testing.assert_allclose(means[k], mean, atol=1e-9)
        np.testing.assert_allclose(covariances[k], cov, atol=1e-10)


@pytest.mark.parametrize("variance", [0.01, 0.5, 1.0, 9.0])
@pytest.mark.parametrize("times", [list(range(1000, 0, -1)), [1000, 300, 10], [1000]], ids=len)
def test_the_variance_of_the_exact_posterior_gives_the_data_back(variance: float, times: list[int]) -> None:
    """q(x_s | x_t) of isotropic data is Gaussian with variance v_s - alpha_ts v_s^2 / v_t: with it no step errs."""
    data = Gaussian([1.0, -3.0], variance * np.eye(2))
    total = LINEAR.alpha_bar * variance + 1 - LINEAR.alpha_bar

    def posterior(t: int, s: int) -> float:
        return math.sqrt(total[s] - LINEAR.alpha_bar[t] / LINEAR.alpha_bar[s] * total[s] ** 2 / total[t])

    steps = affine(LINEAR, times, posterior, ddim=False)
    steps.c[-1] = posterior(times[-1], 0)
    means, covariances = chain_moments(data, LINEAR, steps, *marginal(data, LINEAR, 1000))
    for k, t in enumerate([*steps.t, 0]):
        mean, cov = marginal(data, LINEAR, t)
        np.testing.assert_allclose(means[k], mean, atol=1e-9)
        np.testing.assert_allclose(covariances[k], cov, atol=1e-10)


def test_ddim_turns_standard_normal_data_by_an_angle() -> None:
    """eps* = sigma x, so x_s = (root_s root_t + sigma_s sigma_t) x = cos(angle_t - angle_s) x."""
    times = [1000, 700, 300, 50]
    steps = CHAINS["ddim 0"](LINEAR, times)
    _, covariances = chain_moments(Gaussian([0.0], [[1.0]]), LINEAR, steps)
    angle = np.arccos(np.sqrt(LINEAR.alpha_bar[[*times, 0]]))
    expected = np.concatenate([[1.0], np.cumprod(np.cos(-np.diff(angle)) ** 2)])
    np.testing.assert_allclose(covariances[:, 0, 0], expected, rtol=1e-11)


def test_ddim_with_eta_one_is_ancestral_sampling_with_beta_tilde() -> None:
    data, times = gaussian(13, 3), list(range(1000, 0, -7))
    one = chain_moments(data, LINEAR, affine(LINEAR, times, small(LINEAR), ddim=True))
    two = chain_moments(data, LINEAR, affine(LINEAR, times, small(LINEAR), ddim=False))
    for moments, expected in zip(one, two, strict=True):
        np.testing.assert_allclose(moments, expected, atol=1e-9)


def test_the_start_is_noise_unless_given() -> None:
    data, steps = gaussian(14, 2), CHAINS["beta"](LINEAR, [1000, 1])
    means, covariances = chain_moments(data, LINEAR, steps)
    np.testing.assert_array_equal(means[0], [0.0, 0.0])
    np.testing.assert_allclose(covariances[0], np.eye(2), atol=1e-15)
    same = chain_moments(data, LINEAR, steps, np.zeros(2), np.eye(2))
    np.testing.assert_array_equal(same[0], means)
    np.testing.assert_array_equal(same[1], covariances)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"t": np.array([0, 1])}, r"coefficients\.t: expected steps in 1\.\.1000"),
        ({"t": np.array([3, 2]), "s": np.array([1, 0])}, r"coefficients\.t: expected t\[1\] to be s\[0\] = 1, got 2"),
        ({"t": np.array([1, 2]), "s": np.array([0, 1])}, r"coefficients\.t: expected t\[1\] to be s\[0\] = 0, got 2"),
        ({"t": np.array([3, 1]), "s": np.array([2, 0])}, r"coefficients\.t: expected t\[1\] to be s\[0\] = 2, got 1"),
        ({"s": np.array([1])}, r"coefficients\.s: expected one step or an array of shape \[2\]"),
        ({"s": np.array([1, -1])}, r"coefficients\.s: expected steps in 0\.\.1000"),
        ({"a": np.ones(3)}, r"coefficients\.a: expected shape \[2\]"),
        ({"b": np.array([0.0, math.nan])}, r"coefficients\.b: expected finite"),
        ({"b": np.zeros((2, 2))}, r"coefficients\.b: expected shape \[2, 3\], got \[2, 2\]"),
        ({"c": np.zeros((2, 1))}, r"coefficients\.c: expected shape \[2, 2\], got \[2, 1\]"),
        ({"c": np.zeros((2, 2, 1))}, r"coefficients\.c: expected shape \[2\]"),
        ({"p": np.zeros(3)}, r"coefficients\.p: expected shape \[2\]"),
    ],
)
def test_refuses_steps_that_are_no_chain(change: dict[str, Any], complaint: str) -> None:
    steps = SimpleNamespace(**(vars(CHAINS["beta"](LINEAR, [2, 1])) | change))
    with pytest.raises(ValueError, match=f"^{complaint}"):
        chain_moments(gaussian(17, 2), LINEAR, steps)


def test_chain_moments_refuses_other_data_and_other_starts() -> None:
    steps, one = CHAINS["beta"](LINEAR, [2, 1]), gaussian(18, 2)
    with pytest.raises(ValueError, match=r"^gaussian: expected a Gaussian, got GaussianMixture"):
        chain_moments(mixture(18, 2, 2), LINEAR, steps)
    with pytest.raises(ValueError, match=r"^coefficients: expected arrays t, s, a, b, c, got none named s, c"):
        chain_moments(one, LINEAR, SimpleNamespace(t=steps.t, a=steps.a, b=steps.b))
    with pytest.raises(ValueError, match=r"^mean_T: expected shape"):
        chain_moments(one, LINEAR, steps, mean_T=[0.0])
    with pytest.raises(ValueError, match=r"^covariance_T: expected shape"):
        chain_moments(one, LINEAR, steps, covariance_T=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"^covariance_T: expected a positive semi-definite"):
        chain_moments(one, LINEAR, steps, covariance_T=-np.eye(2))


def test_chain_moments_refuses_what_is_no_schedule() -> None:
    with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
        chain_moments(gaussian(16, 2), "linear", CHAINS["beta"](LINEAR, [2, 1]))


@pytest.mark.parametrize("schedule", OF_ANY_LENGTH.values(), ids=OF_ANY_LENGTH)
@pytest.mark.parametrize("variance", [0.0, 0.25, 1.0, 9.0])
def test_the_closed_form_on_isotropic_data_is_the_true_reverse_variance(schedule: Schedule, variance: float) -> None:
    """Of jointly Gaussian x_s and x_t, by the variance of x_s given x_t: its own less what x_t explains."""
    found = gaussian_optimal_variance(Gaussian([1.0], [[variance]]), schedule)
    t = np.arange(1, schedule.T + 1)
    now, then = (schedule.alpha_bar[k] * variance + 1.0 - schedule.alpha_bar[k] for k in (t, t - 1))
    expected = then - schedule.alpha[t] * then**2 / now
    np.testing.assert_allclose(found[1:, 0], expected, rtol=1e-6, atol=1e-12)
    assert found[0, 0] == 0.0
