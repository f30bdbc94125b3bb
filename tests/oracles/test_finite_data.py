"""The oracle of a finite data set against the mixture of points that it is, differences, and what it memorises."""

from __future__ import annotations

import numpy as np
import pytest
from checks.gaussians import assert_moments
from checks.gradcheck import BOUND, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.oracles import finite_data
from numpy_diffusion.oracles.finite_data import FiniteData
from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample

FLAT = settings(deadline=None, max_examples=40)
LINEAR = Schedule.linear(1000)
SHAPES = [(1,), (3,), (2, 2), (1, 3, 2)]


def points(n: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *shape))


def as_mixture(x0: np.ndarray) -> GaussianMixture:
    """The same data as Gaussians of no width, of equal weight."""
    flat = x0.reshape(len(x0), -1)
    N, D = flat.shape
    return GaussianMixture(np.full(N, 1.0 / N), flat, np.zeros((N, D, D)))


def noisy(x0: np.ndarray, t: int, seed: int) -> np.ndarray:
    """Five x_t of the data, where the weights are of every kind."""
    alpha_bar = LINEAR.alpha_bar[t]
    rows = x0[np.arange(5) % len(x0)]
    return np.sqrt(alpha_bar) * rows + np.sqrt(1.0 - alpha_bar) * points(5, x0.shape[1:], seed + 1)


@FLAT
@given(N=st.integers(1, 8), shape=st.sampled_from(SHAPES), t=st.integers(1, 1000), seed=st.integers(0, 999))
def test_all_is_that_of_a_mixture_of_points(N: int, shape: tuple[int, ...], t: int, seed: int) -> None:
    x0 = points(N, shape, seed)
    data, mixture, x = FiniteData(x0), as_mixture(x0), noisy(x0, t, seed)
    flat = x.reshape(5, -1)
    np.testing.assert_allclose(data.mean.ravel(), mixture.mean, atol=1e-14)
    np.testing.assert_allclose(data.covariance, mixture.covariance, atol=1e-14)
    eps = data.eps(LINEAR)(x, t)
    assert eps.shape == x.shape
    np.testing.assert_allclose(eps.reshape(5, -1), mixture.eps(LINEAR)(flat, t), atol=1e-10)
    np.testing.assert_allclose(data.log_density(x, t, LINEAR), mixture.log_density(flat, t, LINEAR), atol=1e-10)
    score = mixture.score(flat, t, LINEAR)  # up to 1e4 where t = 1
    np.testing.assert_allclose(
        data.score(x, t, LINEAR).reshape(5, -1), score, atol=1e-10 * max(1.0, np.abs(score).max())
    )


def test_data_far_from_zero_costs_no_digits() -> None:
    """The mean is taken out: without that the products of the weights would cancel."""
    x0, t = points(6, (2,)), 3
    x, far = noisy(x0, t, 1), 1e4
    moved = FiniteData(x0 + far).eps(LINEAR)(x + np.sqrt(LINEAR.alpha_bar[t]) * far, t)
    # x itself has an error of 1e4 * 2^-53, which 1 / sqrt(1 - alpha_bar) enlarges and the weights enlarge once more
    np.testing.assert_allclose(moved, FiniteData(x0).eps(LINEAR)(x, t), atol=1e-7)


@FLAT
@given(N=st.integers(1, 8), shape=st.sampled_from(SHAPES), t=st.integers(20, 1000), seed=st.integers(0, 999))
def test_jvp_is_the_slope_by_central_differences(N: int, shape: tuple[int, ...], t: int, seed: int) -> None:
    x0 = points(N, shape, seed)
    model, x, tangent = FiniteData(x0).eps(LINEAR), noisy(x0, t, seed), points(5, shape, seed + 2)
    h = 1e-3 * np.sqrt(1.0 - LINEAR.alpha_bar[t])  # eps* bends on the scale of the noise
    near, far = (model(x + k * h * tangent, t) - model(x - k * h * tangent, t) for k in (1, 2))
    eps, along = model.jvp(x, t, tangent)
    np.testing.assert_array_equal(eps, model(x, t))
    assert relative_error((8.0 * near - far) / (12.0 * h), along) < BOUND


def test_jvp_of_many_tangents_at_once_is_that_of_each() -> None:
    x0, t = points(6, (2, 2)), np.array([1, 10, 100, 500, 1000])
    model, x, tangents = FiniteData(x0).eps(LINEAR), noisy(x0, 300, 1), points(15, (2, 2), 2).reshape(3, 5, 2, 2)
    eps, along = model.jvp(x, t, tangents)
    np.testing.assert_array_equal(eps, model(x, t))
    np.testing.assert_array_equal(along, [model.jvp(x, t, tangent)[1] for tangent in tangents])


@pytest.mark.parametrize("t", [1, 100, 1000])
def test_jvp_of_a_jacobian_that_is_symmetric(t: int) -> None:
    """eps* is a gradient but for its factor, so u . J v = v . J u."""
    x0 = points(5, (3,), 1)
    model, x, u, v = FiniteData(x0).eps(LINEAR), noisy(x0, t, 1), points(5, (3,), 2), points(5, (3,), 3)
    one, two = (u * model.jvp(x, t, v)[1]).sum(axis=1), (v * model.jvp(x, t, u)[1]).sum(axis=1)
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_blocks_change_no_more_than_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    x0, t = points(50, (2,)), np.array([1, 10, 100, 500, 1000])
    data, tangent = FiniteData(x0), points(5, (2,), 4)
    x = np.concatenate([noisy(x0, int(step), 2)[i : i + 1] for i, step in enumerate(t)])
    whole = data.eps(LINEAR).jvp(x, t, tangent), data.log_density(x, t, LINEAR)
    for block in (1, 5 * 7):  # one point at a time; seven at a time, and one at the end
        monkeypatch.setattr(finite_data, "BLOCK", block)
        parts = data.eps(LINEAR).jvp(x, t, tangent), data.log_density(x, t, LINEAR)
        np.testing.assert_allclose(parts[0], whole[0], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(parts[1], whole[1], rtol=1e-11, atol=1e-11)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite_data, "BLOCK", 100)
    data, x = FiniteData(points(1000, (2,))), points(10, (2,), 1)
    sizes = [log_w.size for _, log_w in data._blocks(x, np.array([0.5]))]
    assert max(sizes) == 100
    assert sum(sizes) == 10 * 1000


def test_a_row_does_not_depend_on_the_batch_and_has_its_own_step() -> None:
    x0 = points(9, (2, 2))
    model, x, t = FiniteData(x0).eps(LINEAR), points(7, (2, 2), 1), np.array([1, 5, 50, 300, 700, 1000, 2])
    whole = model(x, t)
    for n in range(7):
        np.testing.assert_allclose(model(x[n : n + 1], int(t[n]))[0], whole[n], rtol=1e-11, atol=1e-11)


def test_ddim_gives_back_the_training_points() -> None:
    """Memorising: the samples are the data, each point about as often as the others."""
    x0 = np.array([[-1.5, 0.0], [1.5, 0.0], [0.0, 1.5], [0.0, -1.5]])
    x = sample(FiniteData(x0).eps(LINEAR), LINEAR, n=400, seed=0, method="ddim", steps=100)
    distance = np.linalg.norm(x[:, None] - x0, axis=2)
    assert distance.min(axis=1).max() < 1e-4  # float32 steps; a point's noise at t = 1 is 0.01
    counts = np.bincount(distance.argmin(axis=1), minlength=4)
    assert (np.abs(counts - 100) < 5 * np.sqrt(400 * 0.25 * 0.75)).all()  # five standard errors


def test_a_perfect_network_leaves_a_residual_that_nothing_predicts() -> None:
    """E[(eps - eps*(x_t)) g(x_t)] = 0 for every g: the regression that a network is trained on, by Monte-Carlo."""
    data, t, n = FiniteData(points(5, (2,), 3)), 300, 40_000
    x0, eps = data.sample(n, seed=1).astype(np.float64), points(n, (2,), 5)
    x = np.sqrt(LINEAR.alpha_bar[t]) * x0 + np.sqrt(1.0 - LINEAR.alpha_bar[t]) * eps
    residual = eps - data.eps(LINEAR)(x, t)
    for g in (1.0, x, np.sin(3.0 * x)):
        product = residual * g
        assert (np.abs(product.mean(axis=0)) <= 5.0 * product.std(axis=0) / np.sqrt(n)).all()


def test_sample_draws_every_point_alike_and_draw_i_is_the_same_for_every_n() -> None:
    data = FiniteData(np.arange(8.0).reshape(4, 2))
    x = data.sample(20_000, seed=7)
    assert x.dtype == np.float32
    assert {tuple(row) for row in x.tolist()} == {tuple(row) for row in data.x0.tolist()}
    counts = np.bincount((x[:, 0] / 2).astype(int))
    assert (np.abs(counts / 20_000 - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 20_000)).all()
    np.testing.assert_array_equal(data.sample(10, seed=7), x[:10])
    assert (data.sample(10, seed=8) != x[:10]).any()


def test_moments_are_those_of_the_draws() -> None:
    data = FiniteData(points(6, (2,), 2))
    np.testing.assert_allclose(data.covariance, np.cov(data.x0.T, ddof=0), atol=1e-14)
    assert_moments(data.sample(20_000, seed=1), data.mean, data.covariance)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda data: FiniteData([1.0, 2.0]), "x0: expected at least 2 axes"),
        (lambda data: FiniteData(np.zeros((0, 2))), "x0: expected at least one value"),
        (lambda data: FiniteData([[np.nan, 0.0]]), "x0: expected finite values"),
        (lambda data: data.eps("linear"), "schedule: expected a Schedule"),
        (lambda data: data.score(np.zeros((3, 3)), 1, LINEAR), r"x: expected shape \[M, 2\]"),
        (lambda data: data.score(np.zeros((3, 2)), 0, LINEAR), r"t: expected a step in 1\.\.1000, got 0"),
        (lambda data: data.score(np.zeros((3, 2)), 1001, LINEAR), r"t: expected a step in 1\.\.1000"),
        (lambda data: data.log_density(np.zeros((3, 2)), [1, 2], LINEAR), r"t: expected one step or an array"),
        (lambda data: data.log_density(np.zeros((3, 2)), 1, None), "schedule: expected a Schedule"),
        (lambda data: data.sample(0, seed=0), "n: expected an integer"),
        (lambda data: data.sample(1, seed=-1), "seed: expected an integer"),
    ],
)
def test_bad_arguments_are_named(call, complaint) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        call(FiniteData(points(3, (2,))))


def test_repr() -> None:
    assert repr(FiniteData(np.zeros((3, 2, 2)))) == "FiniteData(N=3, shape=(2, 2))"
