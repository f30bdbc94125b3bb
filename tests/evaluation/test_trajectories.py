"""Densities of trajectories against joint Gaussians, estimates of log p(x_0) against the model's exact marginal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks.bars import shown
from checks.gaussians import gaussian
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.evaluation.bound import bound
from numpy_diffusion.evaluation.trajectories import importance_weighted, trajectory_log_density
from numpy_diffusion.models.guided import guided
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.oracles.moments import gaussian_optimal_variance
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample

FLAT = settings(deadline=None, max_examples=60)
SCHEDULE = Schedule.linear(10)


def log_normal(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """log N(x; mean, covariance) for x [N, D], by plain linear algebra."""
    offset = x - mean
    distance = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
    return -0.5 * (distance + np.linalg.slogdet(2.0 * math.pi * covariance)[1])


def linear_model(slope: float, offset: float) -> Callable[..., np.ndarray]:
    return lambda x, t: slope * x + offset


def joint(
    schedule: Schedule, variance: np.ndarray, slope: float, offset: float, prior: Gaussian
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (x_0, ..., x_T) in one dimension, where eps = slope x + offset (Ho et al. eq 11)."""
    T, alpha_bar = schedule.T, np.cumprod(1.0 - schedule.beta)
    mean, covariance = np.zeros(T + 1), np.zeros((T + 1, T + 1))
    mean[T], covariance[T, T] = prior.mean[0], prior.covariance[0, 0]
    for t in range(T, 0, -1):
        on_eps = schedule.beta[t] / math.sqrt(1.0 - alpha_bar[t])
        gain = (1.0 - on_eps * slope) / math.sqrt(1.0 - schedule.beta[t])
        mean[t - 1] = gain * mean[t] - on_eps * offset / math.sqrt(1.0 - schedule.beta[t])
        covariance[t - 1, t:] = covariance[t:, t - 1] = gain * covariance[t, t:]
        covariance[t - 1, t - 1] = gain**2 * covariance[t, t] + variance[t]
    return mean, covariance


# The density of a trajectory (article, eq 7).


@pytest.mark.filterwarnings("ignore:schedule")  # that it does not end in noise
@FLAT
@given(seed=st.integers(0, 1000), T=st.integers(1, 6), own_prior=st.booleans(), dictionary=st.booleans())
def test_density_of_a_trajectory_is_the_joint_gaussian(seed: int, T: int, own_prior: bool, dictionary: bool) -> None:
    rng = np.random.default_rng(seed)
    schedule = Schedule.from_beta(rng.uniform(0.05, 0.6, T))  # of which the joint covariance can be inverted
    slope, offset, variance = rng.normal(), rng.normal(), rng.uniform(0.1, 2.0, T + 1)
    prior = gaussian(seed, 1) if own_prior else None
    mean, covariance = joint(schedule, variance, slope, offset, prior or Gaussian([0.0], [[1.0]]))
    chain = rng.normal(size=(T + 1, 7, 1))
    given_ = {t: chain[t] for t in rng.permutation(T + 1).tolist()} if dictionary else chain
    found = trajectory_log_density(linear_model(slope, offset), schedule, given_, variance, prior)
    assert found.shape == (7,)
    np.testing.assert_allclose(found, log_normal(chain[:, :, 0].T, mean, covariance), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["beta", "beta_tilde"])
def test_density_of_a_trajectory_has_the_variance_that_is_named(name: str) -> None:
    variance = {"beta": SCHEDULE.beta, "beta_tilde": SCHEDULE.beta_tilde.copy()}[name]
    if name == "beta_tilde":
        variance[1] = variance[2]
    mean, covariance = joint(SCHEDULE, variance, 0.8, 0.1, Gaussian([0.0], [[1.0]]))
    chain = np.random.default_rng(0).multivariate_normal(mean, covariance, 5).T[:, :, None]
    found = trajectory_log_density(linear_model(0.8, 0.1), SCHEDULE, chain, name)
    np.testing.assert_allclose(found, log_normal(chain[:, :, 0].T, mean, covariance), rtol=1e-9)


def test_density_of_a_trajectory_is_a_sum_over_coordinates_of_any_shape() -> None:
    chain = np.random.default_rng(1).normal(size=(11, 3, 2, 4))
    variance = np.random.default_rng(2).uniform(0.1, 2.0, (11, 2, 4))
    found = trajectory_log_density(linear_model(0.5, 0.0), SCHEDULE, chain, variance)
    single = [
        trajectory_log_density(linear_model(0.5, 0.0), SCHEDULE, chain[:, :, i, j, None], variance[:, i, j])
        for i, j in np.ndindex(2, 4)
    ]
    np.testing.assert_allclose(found, np.sum(single, axis=0), rtol=1e-12)


def test_density_of_a_trajectory_is_in_the_data_s_units() -> None:
    """A density of T + 1 points: each divides by the scales' product."""
    one, moved = (MLP(dim=2, width=4, depth=0, embedding=2, dtype=np.float64) for _ in range(2))
    one.buffer[:] = moved.buffer[:] = np.random.default_rng(3).normal(size=one.buffer.shape)
    moved.shift[:], moved.scale[:] = [8.0, -4.0], [4.0, 0.125]
    chain = np.random.default_rng(4).normal(size=(11, 3, 2)).round(3)
    found = trajectory_log_density(moved, SCHEDULE, chain * moved.scale.astype(np.float64) + moved.shift)
    np.testing.assert_allclose(found, trajectory_log_density(one, SCHEDULE, chain) - 11.0 * math.log(0.5), rtol=1e-11)


def test_density_takes_the_chains_of_the_sampler() -> None:
    """The chain is a draw of p down to x_1, so that -log p is its entropy to five standard errors."""
    data, n = Gaussian([0.0, 0.0], np.eye(2)), 2000
    chain = sample(data.eps(SCHEDULE), SCHEDULE, n, seed=1, keep=range(11))
    found = trajectory_log_density(data.eps(SCHEDULE), SCHEDULE, chain)
    assert found.shape == (n,)
    # Algorithm 1 ends without noise, at the peak of p(x_0 | x_1): 1/2 nat a dimension above E log p
    entropy = sum(math.log(2.0 * math.pi * math.e * variance) for variance in [*SCHEDULE.beta[1:], 1.0])
    assert abs(found.mean() - 1.0 + entropy) < 5.0 * found.std() / math.sqrt(n)


# Importance-weighted estimates.


@pytest.mark.parametrize("T", [1, 2, 10, 100])
@pytest.mark.parametrize("variances", [[1.0], [4.0, 0.01]], ids=str)
@pytest.mark.parametrize("K", [1, 5])
def test_perfect_model_weighs_all_trajectories_alike(T: int, variances: list[float], K: int) -> None:
    schedule, data = Schedule.linear(T), Gaussian(np.arange(len(variances)) - 1.0, np.diag(variances))
    kept = schedule.alpha_bar[-1]
    prior = Gaussian(math.sqrt(kept) * data.mean, kept * data.covariance + (1.0 - kept) * np.eye(len(variances)))
    x0 = data.sample(20, seed=T).astype(np.float64)
    variance = gaussian_optimal_variance(data, schedule)
    found = importance_weighted(data.eps(schedule), schedule, x0, K, seed=1, variance=variance, prior=prior)
    np.testing.assert_allclose(found, log_normal(x0, data.mean, data.covariance), atol=1e-9)


SHORT = Schedule.linear(4)
VARIANCE = np.array([0.0, 0.3, 0.5, 0.7, 0.9])
SLOPE, OFFSET = 0.7, 0.2
MODEL = linear_model(SLOPE, OFFSET)


def marginal(x: float) -> float:
    """log p(x_0) of MODEL at x_0 = x, one dimension."""
    mean, covariance = joint(SHORT, VARIANCE, SLOPE, OFFSET, Gaussian([0.0], [[1.0]]))
    return float(log_normal(np.array([[x]]), mean[:1], covariance[:1, :1])[0])


@pytest.mark.parametrize("x", [-1.0, 0.3, 2.0])
def test_weights_are_unbiased_and_their_logarithm_tightens(x: float) -> None:
    """E w = p(x_0) for one trajectory; E log mean w rises with K to log p(x_0), from minus the bound."""
    n, exact = 8000, marginal(x)
    x0 = np.full((n, 1), x)
    one = importance_weighted(MODEL, SHORT, x0, 1, seed=1, variance=VARIANCE)
    weights = np.exp(one - exact)
    assert abs(weights.mean() - 1.0) < 5.0 * weights.std() / math.sqrt(n)

    means, errors = [one.mean()], [one.std() / math.sqrt(n)]
    for K in (4, 16, 64):
        found = importance_weighted(MODEL, SHORT, x0[: n // K * 4], K, seed=1, variance=VARIANCE)
        means.append(found.mean())
        errors.append(found.std() / math.sqrt(len(found)))
    gaps, errors = exact - np.array(means), np.array(errors)
    assert (gaps > -5.0 * errors).all()
    assert (gaps[:-1] - gaps[1:] > 5.0 * np.hypot(errors[:-1], errors[1:])).all()
    assert gaps[-1] < 0.03 * gaps[0] + 5.0 * errors[-1]

    minus_bound = bound(MODEL, SHORT, x0, seed=1, variance=VARIANCE)
    assert abs(minus_bound.total + means[0]) < 5.0 * math.hypot(minus_bound.total_error, errors[0])


def test_estimate_is_in_the_data_s_units() -> None:
    one, moved = (MLP(dim=2, width=4, depth=0, embedding=2, dtype=np.float64) for _ in range(2))
    one.buffer[:] = moved.buffer[:] = np.random.default_rng(3).normal(size=one.buffer.shape)
    moved.shift[:], moved.scale[:] = [8.0, -4.0], [4.0, 0.125]
    x0 = np.random.default_rng(4).normal(size=(5, 2)).round(3)
    found = importance_weighted(moved, SCHEDULE, x0 * moved.scale.astype(np.float64) + moved.shift, 3)
    np.testing.assert_allclose(found, importance_weighted(one, SCHEDULE, x0, 3) - math.log(0.5), rtol=1e-9)


def test_estimates_of_8_bit_data_are_probabilities() -> None:
    """All 256, unbiased at any K, sum to one; the data lies well inside 0..255, where the weights are tame."""
    values, data = np.arange(256, dtype=np.uint8)[:, None], Gaussian([0.0], [[0.08]])
    model, variance = data.eps(SHORT), gaussian_optimal_variance(data, SHORT)
    found = np.exp([importance_weighted(model, SHORT, values, 20, seed=s, variance=variance) for s in range(20)])
    sums = found.sum(axis=1)
    assert abs(sums.mean() - 1.0) < 5.0 * sums.std(ddof=1) / math.sqrt(20.0)
    assert sums.std() < 0.05


def test_an_estimate_does_not_depend_on_other_samples() -> None:
    x0 = np.linspace(-2.0, 2.0, 9)[:, None]
    all_, some = (importance_weighted(MODEL, SHORT, x, 6, seed=3, variance=VARIANCE) for x in (x0, x0[:4]))
    np.testing.assert_allclose(all_[:4], some, rtol=1e-13)
    assert (importance_weighted(MODEL, SHORT, x0[:4], 6, seed=4, variance=VARIANCE) != some).all()


def test_what_a_model_is_told_of_each_sample_goes_with_its_trajectories() -> None:
    def model(x: np.ndarray, t: int, labels: np.ndarray) -> np.ndarray:
        return 0.3 * x + 0.5 * labels[:, None]

    x0 = np.array([[0.5], [-1.0], [0.5]])
    found = importance_weighted(guided(model, [2, 0, 1], 0.0), SHORT, x0, 4, seed=3)
    for n, label in enumerate([2, 0, 1]):
        alone = importance_weighted(guided(model, label, 0.0), SHORT, x0, 4, seed=3)
        np.testing.assert_allclose(found[n], alone[n], rtol=1e-13)
    for wrong in ([2, 0], [2, 0, 1, 1]):
        with pytest.raises(ValueError, match=r"^labels: expected an integer, or one for each of 3 samples, got \d$"):
            importance_weighted(guided(model, wrong, 0.0), SHORT, x0, 4)


def test_far_away_points_have_a_logarithm() -> None:
    found = importance_weighted(MODEL, SHORT, [[1e4]], 3, variance=VARIANCE)
    assert math.isfinite(found[0])
    assert found[0] < -1e5


# The decoder of 8-bit data (Ho et al. eq 13).


# Errors.

CHAIN = np.zeros((11, 2, 1))
BAD: dict[str, Callable[[], Any]] = {
    r"chain: expected x_t for every step 0\.\.10, got none at t = 10": lambda: trajectory_log_density(
        MODEL, SCHEDULE, CHAIN[:10]
    ),
    r"chain: expected x_t for every step 0\.\.10, got 12": lambda: trajectory_log_density(
        MODEL, SCHEDULE, np.zeros((12, 2, 1))
    ),
    r"chain: expected x_t for every step 0\.\.10, got none at t = 4": lambda: trajectory_log_density(
        MODEL, SCHEDULE, {t: CHAIN[t] for t in range(11) if t != 4}
    ),
    "chain: expected at least 3 axes": lambda: trajectory_log_density(MODEL, SCHEDULE, np.zeros((11, 2))),
    r"chain\[3\]: expected shape \[2, 1\]": lambda: trajectory_log_density(
        MODEL, SCHEDULE, {t: np.zeros((1 + (t != 3), 1)) for t in range(11)}
    ),
    r"chain\[2\]: expected finite": lambda: trajectory_log_density(
        MODEL, SCHEDULE, {t: np.full((1, 1), np.nan if t == 2 else 0.0) for t in range(11)}
    ),
    r"chain\[0\]: expected shape \['N', 2\], as the model's": lambda: trajectory_log_density(
        gaussian(1, 2).eps(SCHEDULE), SCHEDULE, CHAIN
    ),
    r"chain\[0\]: expected at least 2 axes": lambda: trajectory_log_density(
        MODEL, SCHEDULE, dict.fromkeys(range(11), 0.0)
    ),
    "schedule: expected a Schedule": lambda: trajectory_log_density(MODEL, 10, CHAIN),  # type: ignore[arg-type]
    "model: expected a callable": lambda: trajectory_log_density(1, SCHEDULE, CHAIN),
    "variance: expected positive values": lambda: trajectory_log_density(MODEL, SCHEDULE, CHAIN, np.zeros(11)),
    "prior: expected 1 dim": lambda: trajectory_log_density(MODEL, SCHEDULE, CHAIN, prior=gaussian(1, 2)),
    "K: expected an integer in 1": lambda: importance_weighted(MODEL, SCHEDULE, CHAIN[0], 0),
    r"K: expected an integer in 1\.\.390451572, got 390451573": lambda: importance_weighted(
        MODEL, SCHEDULE, CHAIN[0], 2**32 // 11 + 1
    ),
    "seed: expected": lambda: importance_weighted(MODEL, SCHEDULE, CHAIN[0], 1, seed=-1),
    "x0: expected": lambda: importance_weighted(MODEL, SCHEDULE, [1.0], 1),
    "variance: expected one of": lambda: importance_weighted(MODEL, SCHEDULE, CHAIN[0], 1, variance="small"),
    "schedule: expected a Schedule, got": lambda: importance_weighted(MODEL, None, CHAIN[0], 1),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("complaint", BAD)
def test_bad_arguments_are_errors_that_name_them(complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        BAD[complaint]()


def test_the_bar_counts_every_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = linear_model(0.5, 0.1)
    slow = shown(capsys, monkeypatch, lambda **bar: importance_weighted(model, SCHEDULE, [[0.0]], 3, **bar))
    assert "10/10" in slow
