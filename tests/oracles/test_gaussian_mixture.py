"""The oracles against quadrature, linear algebra and Monte-Carlo that share no code with them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.gaussians import assert_moments, gaussian, mixture
from checks.gradcheck import BOUND, relative_error, slope
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.process.schedules import Schedule

FLAT = settings(deadline=None, max_examples=60)
SCHEDULES = {name: getattr(Schedule, name)(1000) for name in ("linear", "cosine", "quadratic", "sigmoid")}
LINEAR = SCHEDULES["linear"]


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


@FLAT
@given(data=mixtures(), N=st.integers(1, 4), seed=st.integers(0, 10_000), one=st.booleans())
def test_jvp_is_the_derivative_of_eps_along_each_tangent(data: GaussianMixture, N: int, seed: int, one: bool) -> None:
    """From t = 100 on: before, eps changes over less than the differences' step."""
    rng, D, model = np.random.default_rng(seed), len(data.mean), data.eps(LINEAR)
    x, t = points(N, D, seed), int(rng.integers(100, 1001)) if one else rng.integers(100, 1001, N)
    tangents, deps = rng.normal(size=(2, N, D)), rng.normal(size=(N, D))
    eps, along = model.jvp(x, t, tangents)
    np.testing.assert_array_equal(eps, model(x, t))
    for tangent, found in zip(tangents, along, strict=True):
        expected = slope(lambda: float((deps * model(x, t)).sum()), x, tangent)
        assert relative_error(np.array(expected), (deps * found).sum()) < BOUND
        np.testing.assert_array_equal(model.jvp(x, t, tangent)[1], found)


@pytest.mark.parametrize("t", [1, 30, 1000])
def test_jvp_of_a_gaussian_is_its_matrix(t: int) -> None:
    data, x = gaussian(8, 3), points(4, 3)
    alpha_bar = LINEAR.alpha_bar[t]
    total = alpha_bar * data.covariance + (1.0 - alpha_bar) * np.eye(3)
    along = data.eps(LINEAR).jvp(x, t, np.repeat(np.eye(3)[:, None], 4, axis=1))[1]
    for n in range(4):
        np.testing.assert_allclose(
            along[:, n], math.sqrt(1.0 - alpha_bar) * np.linalg.inv(total), rtol=1e-9, atol=1e-9
        )


def test_a_row_of_a_jvp_does_not_depend_on_the_batch() -> None:
    model, x, t = mixture(19, 3, 3).eps(LINEAR), points(2001, 3), np.random.default_rng(0).integers(1, 1001, 2001)
    tangents = np.random.default_rng(1).normal(size=(2, 2001, 3))
    whole = model.jvp(x, t, tangents)
    for rows in (slice(0, 1), slice(700, 1100), slice(None, None, -3)):
        for found, expected in zip(model.jvp(x[rows], t[rows], tangents[:, rows]), whole, strict=True):
            np.testing.assert_array_equal(found, expected[..., rows, :])


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


BEYOND = 2**24 + 1  # the least integer that float32 does not hold


def test_integers_are_taken_for_what_they_are() -> None:
    far = Gaussian([BEYOND], [[1]])
    assert far.mean.tolist() == GaussianMixture([1], [[BEYOND]], [[[1]]]).mean.tolist() == [BEYOND]
    assert GaussianMixture([1], [[0]], [[[BEYOND]]]).covariance.tolist() == [[BEYOND]]
    assert far.score([[BEYOND + 2]], 0, LINEAR).tolist() == [[-2.0]]
    np.testing.assert_allclose(far.log_density([[BEYOND + 2]], 0, LINEAR), -0.5 * math.log(2 * math.pi) - 2.0)
    model = Gaussian([0.0], [[1.0]]).eps(LINEAR)
    along = model.jvp(np.zeros((1, 1)), 1000, [[BEYOND]])[1]
    np.testing.assert_allclose(along / model.jvp(np.zeros((1, 1)), 1000, [[1.0]])[1], BEYOND, rtol=1e-12)


def test_an_eigenvalue_is_zero_up_to_rounding_times_the_dimension() -> None:
    rounding = 2.0**-52
    assert Gaussian([0.0, 0.0], np.diag([2.0 * rounding, 1.0])).eigenvalues.tolist() == [[0.0, 1.0]]
    assert Gaussian([0.0, 0.0], np.diag([4.0 * rounding, 1.0])).eigenvalues.tolist() == [[4.0 * rounding, 1.0]]


# What is refused -------------------------------------------------------------------------------------------------

I1 = [[[1.0]]]


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "complaint"),
    [
        ([0.5, 0.6], [[0.0], [1.0]], I1 * 2, "weights: expected positive numbers with sum 1, got .* sum 1.1"),
        ([0.5, 0.5 + 1e-8], [[0.0], [1.0]], I1 * 2, "weights: expected positive numbers with sum 1, got"),
        ([0.0, 1.0], [[0.0], [1.0]], I1 * 2, "weights: .* got numbers from 0 on"),
        ([-0.5, 1.5], [[0.0], [1.0]], I1 * 2, "weights: .* got numbers from -0.5 on"),
        ([0.5, math.nan], [[0.0], [1.0]], I1 * 2, "weights: expected finite"),
        ([1.0], [[0.0], [1.0]], I1 * 2, r"weights: expected shape \[2\], got \[1\]"),
        (1.0, [[0.0]], I1, "weights: expected shape"),
        ([1.0], [0.0], I1, r"means: expected shape \[K, D\], got \[1\]"),
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
        (0.0, [[1.0]], r"mean: expected shape \[D\], got \[\]"),
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
        ([[0.0]], 1, r"x: expected shape \[N, 2\], got \[1, 1\]"),
        ([0.0, 0.0], 1, r"x: expected shape \[N, 2\], got \[2\]"),
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
    ):
        with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
            call()
    for n in (0, -1, 1.5, "x"):
        with pytest.raises(ValueError, match=r"^n: expected an integer in 1"):
            data.sample(n, seed=0)
    with pytest.raises(ValueError, match=r"^seed: expected an integer"):
        data.sample(1, seed=-1)


def test_repr_tells_how_many_components_and_dimensions() -> None:
    assert repr(mixture(0, 3, 2)) == "GaussianMixture(K=3, D=2)"
    assert repr(mixture(0, 1, 2)) == "GaussianMixture(D=2)"
    assert repr(Gaussian([0.0], [[1.0]])) == "Gaussian(D=1)"
