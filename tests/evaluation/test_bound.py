"""The bound: its closed form against the exact likelihood, its estimate against the closed form, both forms alike."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from checks.bars import shown
from checks.gaussians import covariance, gaussian
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.evaluation.bound import FORMS, Form, bound, gaussian_bound
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import clipped
from numpy_diffusion.models.guided import guided
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.oracles.moments import gaussian_optimal_variance
from numpy_diffusion.process.reverse import mu_from_eps
from numpy_diffusion.process.schedules import Schedule

FLAT = settings(deadline=None, max_examples=60)
NAMES = ("linear", "cosine", "quadratic", "sigmoid")
SCHEDULE = Schedule.linear(12)
DATA = Gaussian([1.0, -2.0], [[2.0, 0.5], [0.5, 0.3]])
WRONG = Gaussian([1.2, -1.7], [[2.5, 0.2], [0.2, 0.5]]).eps(SCHEDULE)  # a model that has learnt something else
X0 = DATA.sample(4000, seed=3)


def entropy(data: Gaussian) -> float:
    """E -log p(x_0) in nats."""
    return 0.5 * float(np.linalg.slogdet(2.0 * math.pi * math.e * data.covariance)[1])


def end(data: Gaussian, schedule: Schedule) -> Gaussian:
    """The exact q(x_T)."""
    kept = float(np.prod(1.0 - schedule.beta))
    return Gaussian(math.sqrt(kept) * data.mean, kept * data.covariance + (1.0 - kept) * np.eye(len(data.mean)))


def gaussian_kl(one: Gaussian, two: Gaussian) -> float:
    inverse, offset = np.linalg.inv(two.covariance), one.mean - two.mean
    logs = np.linalg.slogdet(two.covariance)[1] - np.linalg.slogdet(one.covariance)[1]
    return 0.5 * float(np.trace(inverse @ one.covariance) + offset @ inverse @ offset - len(offset) + logs)


def drawn_schedule(seed: int, T: int) -> Schedule:
    """Any beta at all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of schedules that do not end in noise
        return Schedule.from_beta(np.random.default_rng(seed).uniform(1e-4, 0.999, T))


def network(learn_variance: bool = False) -> MLP:
    """Random weights in float64, none of them zero."""
    model = MLP(dim=2, width=8, depth=1, embedding=4, learn_variance=learn_variance, dtype=np.float64)
    model.buffer[:] = 0.3 * np.random.default_rng(5).normal(size=model.buffer.shape)
    return model


def assert_near(value: Any, expected: Any, error: Any) -> None:
    """Five standard errors, and what rounding does to numbers of size one."""
    assert (np.abs(np.asarray(value) - expected) <= 5.0 * np.asarray(error) + 1e-12).all()


# The closed form against the likelihood.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("T", [1, 2, 5, 10, 100, 1000])
@pytest.mark.parametrize("variances", [[1.0], [4.0, 0.01], [1e-4, 1.0, 25.0]], ids=str)
def test_perfect_model_has_the_exact_likelihood_as_its_bound(name: str, T: int, variances: list[float]) -> None:
    schedule, data = getattr(Schedule, name)(T), Gaussian(np.arange(len(variances)) - 1.0, np.diag(variances))
    found = gaussian_bound(data, schedule, gaussian_optimal_variance(data, schedule), end(data, schedule))
    assert abs(found.total - entropy(data)) < 1e-8
    assert found.total_error == found.prior_error == found.reconstruction_error == 0.0
    np.testing.assert_array_equal(found.consistency_error, 0.0)


@FLAT
@given(
    seed=st.integers(0, 10_000), D=st.integers(1, 4), T=st.integers(1, 40), kind=st.sampled_from(["beta", "optimal"])
)
def test_another_prior_costs_its_mismatch_exactly(seed: int, D: int, T: int, kind: str) -> None:
    schedule, data, other = drawn_schedule(seed, T), gaussian(seed, D), gaussian(seed + 1, D)
    variance = gaussian_optimal_variance(data, schedule) if kind == "optimal" else kind
    exact = gaussian_bound(data, schedule, variance, end(data, schedule)).total
    for prior, standing in ((None, Gaussian(np.zeros(D), np.eye(D))), (other, other)):
        gap = gaussian_bound(data, schedule, variance, prior).total - exact
        assert gap == pytest.approx(gaussian_kl(end(data, schedule), standing), rel=1e-9, abs=1e-8)


@FLAT
@given(
    seed=st.integers(0, 10_000),
    D=st.integers(1, 4),
    T=st.integers(1, 60),
    kind=st.sampled_from(["beta", "beta_tilde", "optimal", "drawn"]),
    own_prior=st.booleans(),
)
def test_bound_is_never_below_the_likelihood(seed: int, D: int, T: int, kind: str, own_prior: bool) -> None:
    rng = np.random.default_rng(seed)
    schedule, scale = drawn_schedule(seed, T), 10.0 ** rng.uniform(-2.0, 2.0)
    data = Gaussian(scale * rng.normal(size=D), scale**2 * covariance(rng, D))
    optimal = gaussian_optimal_variance(data, schedule)
    variance = {"optimal": optimal, "drawn": rng.uniform(0.01, 2.0, (T + 1, D))}.get(kind, kind)
    best = gaussian_bound(data, schedule, optimal, prior=end(data, schedule)).total
    found = gaussian_bound(data, schedule, variance, prior=end(data, schedule) if own_prior else None).total
    rounding = 1e-9 * (1.0 + abs(found))
    assert entropy(data) <= best + rounding
    assert best <= found + rounding  # no other variance and no other prior is better


@pytest.mark.parametrize("variances", [[4.0], [0.3, 2.0]], ids=str)
def test_gap_of_beta_falls_as_one_over_T(variances: list[float]) -> None:
    """KL(N(0, (1 + d) s) || N(0, s)) is d^2 / 4 for small d: beta_t (1 - 1 / v_t), where v_t is x_t's variance."""
    data, gaps = Gaussian(np.ones(len(variances)), np.diag(variances)), []
    for T in (100, 200, 400, 800, 1600):
        schedule = Schedule.linear(T)
        found = gaussian_bound(data, schedule, "beta", end(data, schedule))
        v = 1.0 + schedule.alpha_bar[1:, None] * (np.array(variances) - 1.0)
        predicted = 0.25 * ((schedule.beta[1:, None] * (1.0 - 1.0 / v)) ** 2).sum()
        gaps.append(found.total - entropy(data))
        assert gaps[-1] == pytest.approx(predicted, rel=16.0 / T)
    orders = -np.diff(np.log2(gaps))
    assert (np.abs(orders - 1.0) < 0.05).all()


def test_gap_of_beta_tilde_falls_to_a_constant() -> None:
    """Near t = 0 the noise is beta_1 t, so the optimal variance is beta_1, and beta_tilde_t is beta_1 (t - 1) / t.

    However many steps there are, that costs 1/2 (1 / (t - 1) - log(t / (t - 1))) nats a dimension for t = 2, 3, ...,
    gamma / 2 in all (Euler's constant), and (1 - log 2) / 2 for t = 1, where beta_tilde_2 = beta_1 / 2 stands.
    """
    data, limit, rest = Gaussian([1.0], [[4.0]]), 0.5 * (np.euler_gamma + 1.0 - math.log(2.0)), []
    for T in (100, 200, 400, 800, 1600, 3200):
        schedule = Schedule.from_beta(np.full(T, 8.0 / T))
        rest.append(gaussian_bound(data, schedule, "beta_tilde", end(data, schedule)).total - entropy(data) - limit)
    orders = -np.diff(np.log2(rest))
    assert (orders > 0.7).all()  # of log(T) / T: towards 1 from below
    assert (orders < 1.0).all()
    assert (np.diff(orders) > 0.0).all()
    assert rest[-1] < 0.0025


# The estimate against the closed form.

PRIORS = {"N(0, I)": None, "own": gaussian(7, 2)}
VARIANCES = {
    "beta": "beta",
    "beta_tilde": "beta_tilde",
    "array": np.linspace(0.01, 1.0, 13),
    "coordinates": np.linspace([0.01, 0.3], [1.0, 0.5], 13),
}


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
@pytest.mark.parametrize("variance", VARIANCES.values(), ids=VARIANCES)
def test_every_term_is_its_closed_form(variance: Any, prior: Gaussian | None, draws: int) -> None:
    exact = gaussian_bound(DATA, SCHEDULE, variance, prior)
    found = bound(DATA.eps(SCHEDULE), SCHEDULE, X0, seed=1, variance=variance, prior=prior, draws=draws)
    assert_near(found.reconstruction, exact.reconstruction, found.reconstruction_error)
    assert_near(found.consistency, exact.consistency, found.consistency_error)
    assert_near(found.prior, exact.prior, found.prior_error)
    assert_near(found.total, exact.total, found.total_error)


def test_closed_form_takes_covariances_of_any_axes() -> None:
    """Two dimensions cannot tell the squared axes from their transposed: here are three, a variance for each."""
    data, schedule = gaussian(9, 3), Schedule.linear(3)
    variance = np.linspace([0.01, 0.3, 0.1], [1.0, 0.5, 0.2], 4)
    for t in range(1, 4):
        total = schedule.alpha_bar[t] * data.covariance + (1.0 - schedule.alpha_bar[t]) * np.eye(3)
        error = 1.0 - (1.0 - schedule.alpha_bar[t]) * np.diag(np.linalg.inv(total))
        on_error = schedule.beta[t] ** 2 / (schedule.alpha[t] * (1.0 - schedule.alpha_bar[t]))
        ratio, found = schedule.beta_tilde[t] / variance[t], gaussian_bound(data, schedule, variance)
        if t == 1:
            expected = np.log(2.0 * math.pi * variance[t]) + on_error * error / variance[t]
            assert found.reconstruction == pytest.approx(0.5 * expected.sum(), rel=1e-9)
        else:
            expected = ratio - 1.0 - np.log(ratio) + on_error * error / variance[t]
            assert found.consistency[t] == pytest.approx(0.5 * expected.sum(), rel=1e-9)


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
@pytest.mark.parametrize("variance", VARIANCES.values(), ids=VARIANCES)
def test_every_term_of_the_article_is_its_closed_form(variance: Any, prior: Gaussian | None) -> None:
    """The two forms differ by what q(x_t | x_{t-1}) and q(x_t | x_{t+1}, x_0) differ in entropy."""
    exact = gaussian_bound(DATA, SCHEDULE, variance, prior)
    found = bound(DATA.eps(SCHEDULE), SCHEDULE, X0, seed=1, variance=variance, prior=prior, form="article")
    moved = 2.0 / 2.0 * np.log(SCHEDULE.beta_tilde[2:] / SCHEDULE.beta[1:-1])
    assert_near(found.reconstruction, exact.reconstruction, found.reconstruction_error)
    assert_near(found.consistency[1:-1], exact.consistency[2:] + moved, found.consistency_error[1:-1])
    assert_near(found.prior, exact.prior - moved.sum(), found.prior_error)
    assert_near(found.total, exact.total, found.total_error)
    assert found.consistency[0] == found.consistency[-1] == 0.0


@pytest.mark.parametrize("T", [1, 2, 12, 200])
@pytest.mark.parametrize("learned", [False, True])
def test_both_forms_have_one_expectation_for_any_model(T: int, learned: bool) -> None:
    schedule, model = Schedule.linear(T), network(learned)
    one, two = (
        bound(model, schedule, X0[:1000], seed=1, variance="learned" if learned else "beta", form=form)
        for form in FORMS
    )
    assert_near(one.total, two.total, math.hypot(one.total_error, two.total_error))
    if T == 1:
        assert one.prior == two.prior


@pytest.mark.parametrize("model", [DATA.eps(SCHEDULE), WRONG], ids=["perfect", "wrong"])
def test_terms_of_the_article_vary_more(model: Any) -> None:
    """By a variance of about D for each term, where the posterior's fade as beta_t / (1 - alpha_bar_t) does."""
    posterior, article = (bound(model, SCHEDULE, X0, seed=1, form=form) for form in FORMS)
    assert (article.consistency_error[1:-1] > 1.4 * posterior.consistency_error[2:]).all()
    assert article.consistency_error[10] > 30.0 * posterior.consistency_error[11]


def test_the_article_s_expectation_by_the_letter_is_not_the_bound() -> None:
    """A KL whose x_t ignores the x_{t+1} that came from it charges a perfect model a nat a dimension and step."""
    schedule, t, n = Schedule.linear(1000), 400, 20_000
    beta, rng = schedule.beta, np.random.default_rng(2)
    before = math.sqrt(schedule.alpha_bar[t - 1]) * DATA.sample(n, seed=4).astype(np.float64)
    before += math.sqrt(1.0 - schedule.alpha_bar[t - 1]) * rng.normal(size=(n, 2))
    x = math.sqrt(1.0 - beta[t]) * before + math.sqrt(beta[t]) * rng.normal(size=(n, 2))
    after = math.sqrt(1.0 - beta[t + 1]) * x + math.sqrt(beta[t + 1]) * rng.normal(size=(n, 2))
    mean = mu_from_eps(after, DATA.eps(schedule)(after, t + 1), t + 1, schedule)
    stranger = math.sqrt(1.0 - beta[t]) * before + math.sqrt(beta[t]) * rng.normal(size=(n, 2))
    extra = (((stranger - mean) ** 2 - (x - mean) ** 2) / (2.0 * beta[t + 1])).sum(axis=1)
    assert extra.mean() == pytest.approx(2.0, abs=0.05)


# What the numbers are.


def test_total_is_the_sum_of_its_terms_and_the_mean_of_the_samples() -> None:
    for form in FORMS:
        found = bound(WRONG, SCHEDULE, X0[:50], seed=1, form=form, draws=2)
        assert found.total == pytest.approx(found.reconstruction + found.consistency.sum() + found.prior, rel=1e-12)
        assert found.total == pytest.approx(found.totals.mean(), rel=1e-14)
        assert found.total_error == pytest.approx(found.totals.std(ddof=1) / math.sqrt(50.0), rel=1e-12)
        assert found.bits_per_dim == pytest.approx(found.total / (2.0 * math.log(2.0)), rel=1e-14)
        assert found.consistency.shape == found.consistency_error.shape == (13,)
        assert found.consistency.dtype == found.totals.dtype == np.float64
        assert found.totals.shape == (50,)


def test_a_bound_is_shown_in_a_line() -> None:
    text = repr(gaussian_bound(Gaussian([0.0], [[1.0]]), Schedule.linear(1), np.ones(2)))
    assert text == "Bound: 1.419 +- 0 nats, 2.047 bits/dim (reconstruction 1.418, consistency 0, prior 0.0005003)"


def test_standard_errors_are_those_of_many_seeds() -> None:
    model, n = DATA.eps(SCHEDULE), 200
    runs = [bound(model, SCHEDULE, DATA.sample(n, seed=s), seed=s) for s in range(100)]
    for name in ("reconstruction", "consistency", "prior", "total"):
        seen = np.std([getattr(run, name) for run in runs], axis=0, ddof=1)[..., None]
        told = np.mean([getattr(run, f"{name}_error") for run in runs], axis=0)[..., None]
        # 100 runs know a deviation to 7 %, heavy tails to less
        np.testing.assert_allclose(seen, told, rtol=0.35, atol=1e-12)


def test_two_samples_have_a_standard_error_and_a_single_one_has_none() -> None:
    pair = bound(WRONG, SCHEDULE, X0[:2], draws=4)
    assert pair.total_error == pytest.approx(abs(pair.totals[0] - pair.totals[1]) / 2.0, rel=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nor is it tried
        alone = bound(WRONG, SCHEDULE, X0[:1], draws=4)
    assert math.isnan(alone.total_error)
    assert math.isfinite(alone.total)


def test_seed_and_variance_are_0_and_beta_unless_told() -> None:
    told = bound(WRONG, SCHEDULE, X0[:5], 0, variance="beta", form="posterior", draws=1)
    np.testing.assert_array_equal(bound(WRONG, SCHEDULE, X0[:5]).totals, told.totals)
    assert gaussian_bound(DATA, SCHEDULE).total == gaussian_bound(DATA, SCHEDULE, "beta").total


def test_more_draws_lower_the_error_of_the_noise() -> None:
    same = np.repeat(X0[:1], 2000, axis=0)  # so that noise is all there is
    few, many = (bound(WRONG, SCHEDULE, same, seed=1, draws=draws).total_error for draws in (1, 16))
    assert few / many == pytest.approx(4.0, rel=0.25)


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_s_bound_does_not_depend_on_the_others(form: str) -> None:
    all_, some = (bound(WRONG, SCHEDULE, x0, seed=9, form=form, draws=2).totals for x0 in (X0[:20], X0[:7]))
    np.testing.assert_allclose(all_[:7], some, rtol=1e-13)
    other = bound(WRONG, SCHEDULE, X0[:7], seed=10, form=form, draws=2).totals
    assert (np.abs(other - some) > 1e-6).all()


TOLD = Condition(labels=[2, 0, 1], embedding=[[0.5], [1.5], [-1.0]])


def told_model(condition: Condition) -> Any:
    """A model that is told something of each sample, in two wrappers."""

    def model(x: np.ndarray, t: Any, labels: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        return np.tanh(x + labels[:, None] - embedding)

    return clipped(guided(model, condition, 0.5, Condition(labels=3, embedding=[0.0])), SCHEDULE)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_model_is_told_of_each_sample_goes_with_its_draws(form: Form) -> None:
    found = bound(told_model(TOLD), SCHEDULE, X0[:3], 2, form=form, draws=2)
    for n in range(3):
        alone = told_model(TOLD.rows(np.array([n])))
        own = bound(alone, SCHEDULE, X0[n : n + 1], 2, form=form, draws=2, first=n)
        np.testing.assert_allclose(found.totals[n], own.totals[0], rtol=1e-13)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "draws"), [(2, 1), (2, 2), (4, 1), (4, 2), (6, 2)])
def test_a_model_that_is_told_of_other_samples_is_refused(form: Form, n: int, draws: int) -> None:
    """Also where there are so few that the draws would make up for it, or more than there are samples."""
    with pytest.raises(ValueError, match=rf"^labels: expected an integer, or one for each of {n} samples, got 3$"):
        bound(told_model(TOLD), SCHEDULE, X0[:n], form=form, draws=draws)


@pytest.mark.parametrize("form", FORMS)
def test_every_step_has_noise_of_its_own(form: str) -> None:
    """Between samples x_t - its own mean is correlated over steps as the form says: not at all, or as a chain is."""
    seen: list[np.ndarray] = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        seen.append(x[:, 0] / math.sqrt(1.0 - SCHEDULE.alpha_bar[t]))
        return x

    n, noise = 4000, 1.0 - SCHEDULE.alpha_bar[1:]
    bound(model, SCHEDULE, np.zeros((n, 1)), seed=2, form=form)
    chain = np.sqrt(SCHEDULE.alpha_bar[1:] / SCHEDULE.alpha_bar[1:, None] * noise[:, None] / noise)
    expected = np.eye(12) if form == "posterior" else np.triu(chain) + np.triu(chain, 1).T
    found = np.array(seen) @ np.array(seen).T / n
    assert (np.abs(found - expected) < 5.0 * np.sqrt((1.0 + expected**2) / n)).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("learned", [False, True])
def test_bound_is_in_the_data_s_units(form: str, learned: bool) -> None:
    """Scales that are powers of two change no rounding: the total changes by the sum of their logarithms."""
    model, moved = network(learned), network(learned)
    moved.shift[:], moved.scale[:] = [8.0, -4.0], [4.0, 0.125]
    variance = "learned" if learned else "beta_tilde"
    x0 = np.round(X0[:100].astype(np.float64), 3)
    one = bound(model, SCHEDULE, x0, variance=variance, form=form)
    two = bound(moved, SCHEDULE, x0 * moved.scale.astype(np.float64) + moved.shift, variance=variance, form=form)
    assert two.total - one.total == pytest.approx(math.log(4.0 * 0.125), abs=1e-10)
    assert two.reconstruction - one.reconstruction == pytest.approx(math.log(4.0 * 0.125), abs=1e-10)
    np.testing.assert_allclose(two.consistency, one.consistency, rtol=1e-9, atol=1e-12)
    assert two.prior == pytest.approx(one.prior, rel=1e-12)


class Learning:
    """A wrong model whose variance lies everywhere at one fraction of the way from beta_tilde to beta."""

    learn_variance = True

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction

    def __call__(self, x: np.ndarray, t: int) -> np.ndarray:
        return WRONG(x, t)

    def eps_and_fraction(self, x: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        return WRONG(x, t), np.full(x.shape, self.fraction)


@pytest.mark.parametrize("form", FORMS)
def test_learned_variance_reaches_both_fixed_ones(form: str) -> None:
    for fraction, name in ((0.0, "beta_tilde"), (1.0, "beta")):
        learned = bound(Learning(fraction), SCHEDULE, X0[:50], variance="learned", form=form)
        np.testing.assert_allclose(
            learned.totals, bound(WRONG, SCHEDULE, X0[:50], variance=name, form=form).totals, rtol=1e-12
        )
    middle = bound(Learning(0.5), SCHEDULE, X0[:50], variance="learned", form=form)
    low, high = SCHEDULE.beta_tilde.copy(), SCHEDULE.beta
    low[1] = low[2]
    mean = bound(WRONG, SCHEDULE, X0[:50], variance=np.sqrt(low * high), form=form)
    np.testing.assert_allclose(middle.totals, mean.totals, rtol=1e-11)


def test_a_network_is_asked_in_the_dtype_of_its_weights_and_all_else_in_float64() -> None:
    seen, model = [], MLP(X0.shape[1], 8, 1)
    model.buffer[:] = np.random.default_rng(3).normal(scale=0.3, size=model.buffer.size)

    def asked(x: np.ndarray, t: int) -> np.ndarray:
        seen.append(x.dtype)
        return model(x.astype(np.float32), t)

    one, two = (bound(network, SCHEDULE, X0[:20]) for network in (model, asked))
    assert seen == 12 * [np.dtype(np.float64)]
    np.testing.assert_array_equal(one.totals, two.totals)
    assert one.totals.dtype == np.float64


# 8-bit data.


def pixels(n: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (n, *shape)).astype(np.uint8)


def linear_model(x: np.ndarray, t: int) -> np.ndarray:
    return 0.9 * x


@pytest.mark.parametrize("form", FORMS)
def test_8_bit_bound_is_above_the_exact_probability_of_a_chain_of_one_step(form: str) -> None:
    """T = 1: P(x_0) is an integral over x_1, taken by a fine sum; P sums to one, and the bound lies above -log P."""
    schedule, grid = Schedule.linear(1), np.linspace(-9.0, 9.0, 4001)[:, None]
    mean = 127.5 + 127.5 * mu_from_eps(grid, linear_model(grid, 1), 1, schedule)
    edges = np.concatenate([[-np.inf], np.arange(255.0) + 0.5, [np.inf]])
    z = (edges - mean) / (127.5 * math.sqrt(schedule.beta[1]))
    steps = np.diff(0.5 * np.vectorize(math.erfc)(-z / math.sqrt(2.0)), axis=1)
    weight = np.exp(-0.5 * grid**2) / math.sqrt(2.0 * math.pi) * (grid[1] - grid[0])
    probability = (weight * steps).sum(axis=0)
    assert probability.sum() == pytest.approx(1.0, abs=1e-9)
    for value in (0, 3, 100, 255):
        found = bound(linear_model, schedule, np.full((500, 1), value, np.uint8), seed=value, form=form)
        assert found.total > -math.log(probability[value]) - 5.0 * found.total_error
        assert found.bits_per_dim == pytest.approx(found.total / math.log(2.0))


@pytest.mark.parametrize("form", FORMS)
def test_8_bit_probabilities_are_densities_where_bins_are_narrow(form: str) -> None:
    """With the decoder's deviation at 60 grey levels a bin's mass is its density to h^2 / 24 times a curvature."""
    x0 = np.clip(pixels(40, (2, 3)), 60, 190)
    variance = np.full(13, (60.0 / 127.5) ** 2)
    whole = bound(linear_model, SCHEDULE, x0, variance=variance, form=form)

    class Shifted:
        shift, scale = 127.5, 127.5

        def __call__(self, x: np.ndarray, t: int) -> np.ndarray:
            return linear_model(x, t)

    density = bound(Shifted(), SCHEDULE, x0.astype(np.float64), variance=variance, form=form)
    np.testing.assert_allclose(whole.totals, density.totals, atol=0.005)
    np.testing.assert_array_equal(whole.consistency, density.consistency)
    own_units = bound(Shifted(), SCHEDULE, x0, variance=variance, form=form)
    np.testing.assert_array_equal(own_units.totals, whole.totals)
    assert whole.bits_per_dim == pytest.approx(whole.total / (6.0 * math.log(2.0)))


# Errors.

BAD = {
    "model: expected a callable": lambda: bound("model", SCHEDULE, X0),
    "schedule: expected a Schedule": lambda: bound(WRONG, "linear", X0),
    r"x0: expected at least 2 axes": lambda: bound(linear_model, SCHEDULE, np.ones(3)),
    r"x0: expected shape \['N', 2\], as the model's, got \[3, 3\]": lambda: bound(WRONG, SCHEDULE, np.ones((3, 3))),
    "x0: expected finite": lambda: bound(WRONG, SCHEDULE, np.full((3, 2), np.nan)),
    "seed: expected": lambda: bound(WRONG, SCHEDULE, X0, seed=-1),
    "draws: expected an integer in 1..": lambda: bound(WRONG, SCHEDULE, X0, draws=0),
    r"draws: expected an integer in 1\.\.330382099, got 330382100": lambda: bound(
        WRONG, SCHEDULE, X0, draws=2**32 // 13 + 1
    ),
    "form: expected one of 'posterior', 'article'": lambda: bound(WRONG, SCHEDULE, X0, form="ho"),
    "variance: expected one of": lambda: bound(WRONG, SCHEDULE, X0, variance="gamma"),
    'variance: expected "learned" with': lambda: bound(WRONG, SCHEDULE, X0, variance="learned"),
    r"variance: expected shape": lambda: bound(WRONG, SCHEDULE, X0, variance=np.ones(12)),
    r"variance: expected positive values for t = 1\.\.12, got 0 at 7": lambda: bound(
        WRONG, SCHEDULE, X0, variance=np.where(np.arange(13) == 7, 0.0, 1.0)
    ),
    r"prior: expected a Gaussian": lambda: bound(WRONG, SCHEDULE, X0, prior="normal"),
    r"prior: expected 2 dimensions and a regular covariance, got Gaussian\(D=3\)": lambda: bound(
        WRONG, SCHEDULE, X0, prior=gaussian(1, 3)
    ),
    "prior: expected 2 dimensions and a regular": lambda: bound(
        WRONG, SCHEDULE, X0, prior=Gaussian([0, 0], np.diag([1.0, 0.0]))
    ),
    r"model: eps at t = 1: expected shape \[4000, 2\]": lambda: bound(lambda x, t: x[:, :1], SCHEDULE, X0),
    r"model: eps at t = 3: expected finite": lambda: bound(lambda x, t: x * (np.nan if t == 3 else 1), SCHEDULE, X0),
    "model: fraction at t = 1: expected finite": lambda: bound(Learning(np.nan), SCHEDULE, X0, variance="learned"),
    "gaussian: expected a Gaussian": lambda: gaussian_bound(WRONG, SCHEDULE),
    "variance: expected positive": lambda: gaussian_bound(DATA, SCHEDULE, np.zeros(13)),
}


@pytest.mark.parametrize("complaint", BAD)
def test_bad_arguments_are_errors_that_name_them(complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        BAD[complaint]()


def test_variance_at_step_0_is_nobody_s_business() -> None:
    variance = np.concatenate([[0.0], np.ones(12)])
    assert math.isfinite(bound(WRONG, SCHEDULE, X0[:5], variance=variance).total)


@pytest.mark.parametrize("form", FORMS)
def test_the_bar_counts_every_term(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    """Twelve steps and the prior."""
    err = shown(capsys, monkeypatch, lambda **bar: bound(WRONG, SCHEDULE, X0[:5], form=form, **bar))
    assert "bound: 100%" in err
    assert "13/13" in err


def test_a_model_may_work_in_place() -> None:
    def in_place(x: np.ndarray, t: int) -> np.ndarray:
        x *= 0.7
        return x

    found, expected = (
        bound(model, SCHEDULE, X0[:50], seed=1, progress=False) for model in (in_place, lambda x, t: 0.7 * x)
    )
    assert str(found) == str(expected)
