"""The oracles against quadrature, linear algebra and Monte-Carlo that share no code with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.oracles import ExactEps, Gaussian, GaussianMixture, chain_moments
from numpy_diffusion.schedules import Schedule

FLAT = settings(deadline=None, max_examples=60)
SCHEDULES = {name: getattr(Schedule, name)(1000) for name in ("linear", "cosine", "quadratic", "sigmoid")}
LINEAR = SCHEDULES["linear"]


def covariance(rng: np.random.Generator, D: int, least: float = 0.1) -> np.ndarray:
    root = rng.normal(size=(D, D))
    return root @ root.T / D + least * np.eye(D)


def mixture(seed: int, K: int, D: int) -> GaussianMixture:
    rng = np.random.default_rng(seed)
    covariances = [covariance(rng, D) for _ in range(K)]
    return GaussianMixture(rng.dirichlet(np.full(K, 3.0)), rng.normal(size=(K, D)), covariances)


def gaussian(seed: int, D: int) -> Gaussian:
    rng = np.random.default_rng(seed)
    return Gaussian(rng.normal(size=D), covariance(rng, D))


@st.composite
def mixtures(draw: st.DrawFn, most: int = 4) -> GaussianMixture:
    return mixture(draw(st.integers(0, 10_000)), draw(st.integers(1, most)), draw(st.integers(1, 3)))


def points(n: int, D: int, seed: int = 0) -> np.ndarray:
    return 2.0 * np.random.default_rng(seed).normal(size=(n, D))


def by_linear_algebra(data: GaussianMixture, x: np.ndarray, t: int, schedule: Schedule) -> tuple[float, np.ndarray]:
    """log q(x_t) and E[eps | x_t] of one point as a textbook has them: solve, determinant, Bayes."""
    alpha_bar = schedule.alpha_bar[t]
    log_q, eps = [], []
    for weight, mean, cov in zip(data.weights, data.means, data.covariances, strict=True):
        total = alpha_bar * cov + (1 - alpha_bar) * np.eye(len(x))
        offset = x - math.sqrt(alpha_bar) * mean
        solved = np.linalg.solve(total, offset)
        log_q.append(math.log(weight) - 0.5 * (offset @ solved + np.linalg.slogdet(2 * math.pi * total)[1]))
        eps.append(math.sqrt(1 - alpha_bar) * solved)
    top = max(log_q)
    shares = [math.exp(value - top) for value in log_q]
    return top + math.log(sum(shares)), sum(s * e for s, e in zip(shares, eps, strict=True)) / sum(shares)


@FLAT
@given(data=mixtures(), t=st.integers(1, 1000), name=st.sampled_from(sorted(SCHEDULES)))
def test_log_density_and_eps_are_those_of_the_textbook(data: GaussianMixture, t: int, name: str) -> None:
    schedule = SCHEDULES[name]
    x = points(5, len(data.mean))
    log_q, eps = zip(*(by_linear_algebra(data, row, t, schedule) for row in x), strict=True)
    np.testing.assert_allclose(data.log_density(x, t, schedule), log_q, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(data.eps(schedule)(x, t), eps, rtol=1e-9, atol=1e-9)


@FLAT
@given(data=mixtures(), t=st.integers(0, 1000))
def test_score_is_the_gradient_of_log_density(data: GaussianMixture, t: int) -> None:
    x, h = points(4, len(data.mean)), 1e-3
    numeric = np.empty_like(x)
    for d, step in enumerate(h * np.eye(x.shape[1])):
        near, far = (
            data.log_density(x + k * step, t, LINEAR) - data.log_density(x - k * step, t, LINEAR) for k in (1, 2)
        )
        numeric[:, d] = (8 * near - far) / (12 * h)  # central differences, fourth order
    score = data.score(x, t, LINEAR)
    assert np.linalg.norm(score - numeric) < 1e-7 * max(1.0, np.linalg.norm(score))


@FLAT
@given(data=mixtures(), t=st.integers(1, 1000))
def test_eps_is_the_score_scaled(data: GaussianMixture, t: int) -> None:
    x = points(4, len(data.mean))
    expected = -math.sqrt(1 - LINEAR.alpha_bar[t]) * data.score(x, t, LINEAR)
    np.testing.assert_allclose(data.eps(LINEAR)(x, t), expected, rtol=1e-14)


@pytest.mark.parametrize("t", [1, 10, 100, 500, 1000])
def test_eps_is_the_expected_noise_by_quadrature(t: int) -> None:
    weights, means, variances = [0.2, 0.5, 0.3], [-2.0, 0.5, 1.0], [0.3, 0.04, 1.5]
    data = GaussianMixture(weights, np.reshape(means, (3, 1)), np.reshape(variances, (3, 1, 1)))
    alpha_bar = LINEAR.alpha_bar[t]
    x0 = np.linspace(-14.0, 14.0, 100_001)  # 35 points to the narrowest standard deviation: beyond rounding
    prior = sum(
        w / math.sqrt(v) * np.exp(-0.5 * (x0 - m) ** 2 / v) for w, m, v in zip(weights, means, variances, strict=True)
    )
    model = data.eps(LINEAR)
    for x in (-3.0, -0.4, 0.0, 0.7, 2.5):
        eps = (x - math.sqrt(alpha_bar) * x0) / math.sqrt(1 - alpha_bar)
        posterior = prior * np.exp(-0.5 * eps**2)
        expected = (posterior * eps).sum() / posterior.sum()
        assert model(np.array([[x]]), t)[0, 0] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("t", [1, 100, 400, 1000])
def test_eps_leaves_a_residual_that_nothing_predicts(t: int) -> None:
    """E[(eps - eps*(x_t)) g(x_t)] = 0 for every g: the regression that a network is trained on, by Monte-Carlo."""
    data, n = mixture(seed=3, K=3, D=2), 100_000
    eps = np.random.default_rng(4).normal(size=(n, 2))
    alpha_bar = LINEAR.alpha_bar[t]
    xt = math.sqrt(alpha_bar) * data.sample(n, seed=5) + math.sqrt(1 - alpha_bar) * eps
    residual = eps - data.eps(LINEAR)(xt, t)
    tests = [np.ones(n), xt[:, 0], xt[:, 1], np.tanh(2 * xt[:, 0]), np.sin(3 * xt[:, 1]), xt[:, 0] * xt[:, 1]]
    for g in tests:
        product = residual * g[:, None]
        assert (np.abs(product.mean(0)) < 5 * product.std(0) / math.sqrt(n)).all()  # five standard errors


@pytest.mark.parametrize("t", [0, 1, 300, 1000])
def test_density_integrates_to_one(t: int) -> None:
    line, dx = np.linspace(-12, 12, 4001, retstep=True)
    assert np.exp(mixture(1, 3, 1).log_density(line[:, None], t, LINEAR)).sum() * dx == pytest.approx(1, abs=1e-10)
    side, dx = np.linspace(-18, 18, 451, retstep=True)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    density = np.exp(mixture(2, 3, 2).log_density(plane, t, LINEAR))
    assert density.sum() * dx**2 == pytest.approx(1, abs=1e-10)


def test_a_mixture_of_one_is_the_gaussian() -> None:
    one = gaussian(6, 3)
    same = GaussianMixture([1.0], [one.mean], [one.covariance])
    x = points(7, 3)
    np.testing.assert_array_equal(same.score(x, 40, LINEAR), one.score(x, 40, LINEAR))
    np.testing.assert_array_equal(same.log_density(x, 40, LINEAR), one.log_density(x, 40, LINEAR))
    np.testing.assert_array_equal(same.eps(LINEAR)(x, 40), one.eps(LINEAR)(x, 40))
    np.testing.assert_array_equal(same.sample(5, 1), one.sample(5, 1))


def test_a_component_may_be_split_or_moved_to_another_place() -> None:
    data, x = mixture(7, 3, 2), points(7, 2)
    order = [2, 0, 0, 1]
    halves = data.weights[order] * [1, 0.5, 0.5, 1]
    other = GaussianMixture(halves, data.means[order], data.covariances[order])
    np.testing.assert_allclose(other.log_density(x, 70, LINEAR), data.log_density(x, 70, LINEAR), rtol=1e-12)
    np.testing.assert_allclose(other.score(x, 70, LINEAR), data.score(x, 70, LINEAR), rtol=1e-10)


@FLAT
@given(
    data=mixtures(),
    N=st.integers(1, 40),
    t=st.integers(1, 1000),
    dtype=st.sampled_from([np.float32, np.float64]),
    draw=st.data(),
)
def test_a_row_does_not_depend_on_the_batch(data: GaussianMixture, N: int, t: int, dtype: Any, draw: Any) -> None:
    """To the bit, for any subset in any order, for t given once or a row."""
    model, x = data.eps(LINEAR), points(N, len(data.mean), seed=N).astype(dtype)
    rows = draw.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=N))
    each_t = np.random.default_rng(t).integers(1, 1001, N)
    whole, own = model(x, t), model(x, each_t)
    np.testing.assert_array_equal(model(x[rows], t), whole[rows])
    np.testing.assert_array_equal(model(x[: len(rows)], t), whole[: len(rows)])
    np.testing.assert_array_equal(model(x, np.full(N, t)), whole)
    np.testing.assert_array_equal(model(x[rows], each_t[rows]), own[rows])
    np.testing.assert_array_equal(model(x[rows[:1]], int(each_t[rows[0]])), own[rows[:1]])
    np.testing.assert_array_equal(model(np.repeat(x, 2, axis=0)[::2], t), whole)  # not contiguous
    log_q = data.log_density(x, each_t, LINEAR)
    np.testing.assert_array_equal(data.log_density(x[rows], each_t[rows], LINEAR), log_q[rows])
    score = data.score(x, each_t, LINEAR)
    np.testing.assert_array_equal(data.score(x[rows], each_t[rows], LINEAR), score[rows])


@pytest.mark.parametrize(("D", "N"), [(3, 20_001), (17, 1000)])  # a matrix product rounds otherwise at such sizes
def test_a_row_does_not_depend_on_a_large_batch(D: int, N: int) -> None:
    model, x = mixture(19, 3, D).eps(LINEAR), points(N, D)
    whole = model(x, 30)
    for rows in (slice(0, 1), slice(N - 1, None), slice(N // 3, N // 2), slice(None, None, -3)):
        np.testing.assert_array_equal(model(x[rows], 30), whole[rows])


def test_a_model_keeps_the_dtype_and_tells_its_shape() -> None:
    model = gaussian(8, 3).eps(LINEAR)
    assert isinstance(model, ExactEps)
    assert model.shape == (3,)
    x = points(6, 3).astype(np.float32)
    eps = model(x, 100)
    assert eps.dtype == np.float32
    assert model(x.astype(np.float64), 100).dtype == np.float64
    np.testing.assert_array_equal(eps, model(x.astype(np.float64), 100).astype(np.float32))  # one rounding


@pytest.mark.parametrize("far", [1e3, -1e3, 1e6, 1e12])
@pytest.mark.parametrize("t", [1, 1000])
def test_far_from_all_components_nothing_overflows(far: float, t: int) -> None:
    weights, means = [0.999, 0.001], [[-1.0, 0.0], [1.0, 0.0]]
    data = GaussianMixture(weights, means, [0.1 * np.eye(2), 0.1 * np.eye(2)])
    x = np.array([[far, 0.0]])
    score, log_q = data.score(x, t, LINEAR), data.log_density(x, t, LINEAR)
    assert np.isfinite(score).all()
    assert np.isfinite(log_q).all()
    if t == 1:  # the nearer component is all that counts there
        near = 1 if far > 0 else 0
        alone = Gaussian(means[near], 0.1 * np.eye(2))
        np.testing.assert_allclose(score, alone.score(x, t, LINEAR), rtol=1e-12)
        expected = alone.log_density(x, t, LINEAR) + math.log(weights[near])
        np.testing.assert_allclose(log_q, expected, rtol=1e-12)


def test_two_points_are_two_points() -> None:
    """Components of no width: eps* = (x - sqrt(alpha_bar) m) / sigma, m the posterior mean of a coin."""
    data = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], np.zeros((2, 1, 1)))
    root, sigma = math.sqrt(LINEAR.alpha_bar[300]), math.sqrt(1 - LINEAR.alpha_bar[300])
    x = np.array([[-0.5], [0.1], [1.2]])
    expected = (x - root * np.tanh(root * x / sigma**2)) / sigma
    np.testing.assert_allclose(data.eps(LINEAR)(x, 300), expected, rtol=1e-10)


def test_a_flat_gaussian_has_densities_but_at_time_zero() -> None:
    flat = Gaussian([1.0, 0.0], [[1.0, 2.0], [2.0, 4.0]])
    x = points(4, 2)
    log_q, eps = zip(*(by_linear_algebra(flat, row, 1, LINEAR) for row in x), strict=True)
    np.testing.assert_allclose(flat.log_density(x, 1, LINEAR), log_q, rtol=1e-9)
    np.testing.assert_allclose(flat.eps(LINEAR)(x, 1), eps, rtol=1e-9)
    for call in (flat.log_density, flat.score):
        with pytest.raises(ValueError, match="singular"):
            call(x, 0, LINEAR)
        with pytest.raises(ValueError, match="singular"):
            call(x, [1, 1, 0, 1], LINEAR)
    for seed in range(10):  # eigenvalues that are zero but for rounding
        v = np.random.default_rng(seed).normal(size=3)
        with pytest.raises(ValueError, match=r"^t: expected steps of at least 1 where a covariance is singular"):
            Gaussian(v, np.outer(v, v)).log_density(points(1, 3), 0, LINEAR)
    offset = flat.sample(1000, seed=1) - np.float32([1.0, 0.0])
    np.testing.assert_allclose(offset[:, 1], 2 * offset[:, 0], atol=2e-6)


def test_samples_have_the_stated_moments() -> None:
    data, n = mixture(9, 3, 3), 200_000
    x = data.sample(n, seed=1).astype(np.float64)
    assert_moments(x, data.mean, data.covariance)
    # Stein: E[score . x] = -D, which asks for the shape beyond two moments; five standard errors
    stein = (data.score(x, 0, LINEAR) * x).sum(1) + 3
    assert abs(stein.mean()) < 5 * stein.std() / math.sqrt(n)


def test_samples_are_noise_times_the_symmetric_root() -> None:
    """The one root that does not hang on the signs of eigenvectors, which differ between machines."""
    z = Gaussian([0.0, 0.0], np.eye(2)).sample(50, seed=6).astype(np.float64)
    x = Gaussian([1.0, 2.0], [[2.0, 1.0], [1.0, 2.0]]).sample(50, seed=6)
    root = 0.5 * np.array([[math.sqrt(3) + 1, math.sqrt(3) - 1], [math.sqrt(3) - 1, math.sqrt(3) + 1]])
    np.testing.assert_allclose(x, [1.0, 2.0] + z @ root, rtol=1e-6, atol=1e-6)


def test_samples_take_components_by_weight() -> None:
    data, n = GaussianMixture([0.1, 0.6, 0.3], [[0.0], [10.0], [20.0]], np.full((3, 1, 1), 0.01)), 100_000
    counts = np.bincount(np.rint(data.sample(n, seed=2)[:, 0] / 10).astype(int))
    np.testing.assert_allclose(counts / n, data.weights, atol=5 * 0.5 / math.sqrt(n))  # five standard errors


def test_a_sample_is_the_same_for_every_n() -> None:
    data = mixture(10, 4, 2)
    x = data.sample(100, seed=3)
    assert x.dtype == np.float32
    assert x.shape == (100, 2)
    np.testing.assert_array_equal(data.sample(7, seed=3), x[:7])
    np.testing.assert_array_equal(data.sample(1, seed=3), x[:1])
    assert (data.sample(100, seed=4) != x).all()


def test_mean_and_covariance_of_a_mixture() -> None:
    data = GaussianMixture([0.25, 0.75], [[0.0, 0.0], [4.0, 8.0]], [np.eye(2), [[2.0, 1.0], [1.0, 3.0]]])
    np.testing.assert_allclose(data.mean, [3.0, 6.0])
    # 0.25 I + 0.75 C plus 0.25 * 0.75 times the outer product of the means' difference
    np.testing.assert_allclose(data.covariance, [[1.75 + 3.0, 0.75 + 6.0], [0.75 + 6.0, 2.5 + 12.0]])


# The chain's moments ---------------------------------------------------------------------------------------------


def affine(schedule: Schedule, times: list[int], sigma: Callable[[int, int], float], ddim: bool) -> SimpleNamespace:
    """Coefficients of x_s = a x + b eps + c z for each t of `times` and the s that follows, as the papers print."""
    rows = []
    for t, s in zip(times, [*times[1:], 0], strict=True):
        now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
        c = sigma(t, s) if s > 0 else 0.0
        if ddim:
            a = math.sqrt(then / now)
            b = math.sqrt(1 - then - c**2) - a * math.sqrt(1 - now)
        else:
            a = math.sqrt(then / now)
            b = -a * (1 - now / then) / math.sqrt(1 - now)
        rows.append((t, s, a, b, c))
    t, s, a, b, c = (np.array(column) for column in zip(*rows, strict=True))
    return SimpleNamespace(t=t, s=s, a=a, b=b, c=c)


def large(schedule: Schedule) -> Callable[[int, int], float]:
    return lambda t, s: math.sqrt(1 - schedule.alpha_bar[t] / schedule.alpha_bar[s])


def small(schedule: Schedule, eta: float = 1.0) -> Callable[[int, int], float]:
    left = 1 - schedule.alpha_bar
    return lambda t, s: eta * large(schedule)(t, s) * math.sqrt(left[s] / left[t])


def marginal(data: Gaussian, schedule: Schedule, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of q(x_t)."""
    alpha_bar = schedule.alpha_bar[t]
    return math.sqrt(alpha_bar) * data.mean, alpha_bar * data.covariance + (1 - alpha_bar) * np.eye(len(data.mean))


def assert_moments(x: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> None:
    """Five standard errors, the covariance's taken from the draws themselves."""
    n, offset = len(x), x - mean
    assert (np.abs(offset.mean(0)) <= 5 * np.sqrt(np.diag(cov) / n)).all()
    product = offset[:, :, None] * offset[:, None, :]
    assert (np.abs(product.mean(0) - cov) <= 5 * product.std(0) / math.sqrt(n)).all()


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


# What is refused -------------------------------------------------------------------------------------------------

I1 = [[[1.0]]]


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "complaint"),
    [
        ([0.5, 0.6], [[0.0], [1.0]], I1 * 2, "weights: expected a sum of 1, got 1.1"),
        ([0.5, 0.5 + 1e-8], [[0.0], [1.0]], I1 * 2, "weights: expected a sum of 1"),
        ([0.0, 1.0], [[0.0], [1.0]], I1 * 2, "weights: expected positive numbers, got 0"),
        ([-0.5, 1.5], [[0.0], [1.0]], I1 * 2, "weights: expected positive numbers, got -0.5"),
        ([0.5, math.nan], [[0.0], [1.0]], I1 * 2, "weights: expected finite"),
        ([1.0], [[0.0], [1.0]], I1 * 2, r"weights: expected shape \[2\], got \[1\]"),
        (1.0, [[0.0]], I1, "weights: expected shape"),
        ([1.0], [0.0], I1, "means: expected shape"),
        ([1.0], [[math.inf]], I1, "means: expected finite"),
        ([1.0], [["a"]], I1, "means: expected real numbers"),
        ([], np.zeros((0, 1)), np.zeros((0, 1, 1)), "means: expected at least one value"),
        ([1.0], [[0.0]], [[1.0]], "covariances: expected shape"),
        ([1.0], [[0.0, 1.0]], I1, "covariances: expected shape"),
        ([0.5, 0.5], [[0.0], [1.0]], I1, "covariances: expected shape"),
        ([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[-1.0]]], r"covariances\[1\]: .*semi-definite.* eigenvalue of -1"),
        ([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.4, 1.0]]], r"covariances\[0\]: expected a symmetric"),
        ([1.0], [[0.0, 0.0]], [[[1.0, 2.0], [2.0, 1.0]]], r"covariances\[0\]: .*semi-definite.* eigenvalue of -1"),
        ([1.0], [[0.0]], [[[math.nan]]], "covariances: expected finite"),
    ],
)
def test_refuses_what_is_no_mixture(weights: Any, means: Any, covariances: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        GaussianMixture(weights, means, covariances)


@pytest.mark.parametrize(
    ("mean", "cov", "complaint"),
    [
        (0.0, [[1.0]], "mean: expected shape"),
        ([], np.zeros((0, 0)), "mean: expected at least one value"),
        ([0.0], 1.0, "covariance: expected shape"),
        ([0.0, 0.0], [[1.0]], "covariance: expected shape"),
        ([0.0], [[-1.0]], "covariance: expected a positive semi-definite"),
        ([0.0, 0.0], [[1.0, 0.1], [0.0, 1.0]], "covariance: expected a symmetric"),
    ],
)
def test_refuses_what_is_no_gaussian(mean: Any, cov: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        Gaussian(mean, cov)


def test_rounding_is_forgiven() -> None:
    cov = np.array([[1.0, 1.0 + 1e-12], [1.0, 1.0]])  # not symmetric and not definite by a rounding
    data = Gaussian([0.0, 0.0], cov)
    np.testing.assert_array_equal(data.covariance, data.covariance.T)
    assert np.isfinite(data.eps(LINEAR)(points(3, 2), 1)).all()
    data = GaussianMixture(np.full(10, 0.1) + 1e-12, np.zeros((10, 1)), np.ones((10, 1, 1)))
    assert data.weights.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("x", "t", "complaint"),
    [
        ([[0.0, 0.0]], 0, r"t: expected a step in 1\.\.1000, got 0"),
        ([[0.0, 0.0]], 1001, "t: expected a step in 1..1000"),
        ([[0.0, 0.0]], -1, "t: expected a step"),
        ([[0.0, 0.0]], 1.0, "t: expected integer steps"),
        ([[0.0, 0.0]], "x", "t: expected integer steps"),
        ([[0.0, 0.0]], [1, 2], "t: expected one step or an array"),
        ([[0.0, 0.0]], [], "t: expected"),
        ([[0.0]], 1, "x: expected shape"),
        ([0.0, 0.0], 1, "x: expected shape"),
        ([[0.0, math.nan]], 1, "x: expected finite"),
        (np.zeros((0, 2)), 1, "x: expected at least one value"),
        ([["a", "b"]], 1, "x: expected real numbers"),
    ],
)
def test_a_model_refuses_what_it_cannot_answer(x: Any, t: Any, complaint: str) -> None:
    data = gaussian(15, 2)
    with pytest.raises(ValueError, match=f"^{complaint}"):
        data.eps(LINEAR)(x, t)
    if t != 0:  # the data's own density is known
        for call in (data.score, data.log_density):
            with pytest.raises(ValueError, match=f"^{complaint.replace('1..1000', '0..1000')}"):
                call(x, t, LINEAR)


def test_refuses_what_is_no_schedule_or_no_count() -> None:
    data = gaussian(16, 2)
    for call in (
        lambda: data.eps("linear"),
        lambda: data.score(np.zeros((1, 2)), 1, None),
        lambda: data.log_density(np.zeros((1, 2)), 1, LINEAR.beta),
        lambda: chain_moments(data, "linear", CHAINS["beta"](LINEAR, [2, 1])),
    ):
        with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
            call()
    for n in (0, -1, 1.5, "x"):
        with pytest.raises(ValueError, match=r"^n: expected an integer of at least 1"):
            data.sample(n, seed=0)
    with pytest.raises(ValueError, match=r"^seed: expected an integer"):
        data.sample(1, seed=-1)


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
        ({"c": np.zeros((2, 1))}, r"coefficients\.c: expected shape \[2\]"),
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
