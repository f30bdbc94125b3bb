"""RePaint where all is Gaussian: against the moments of its own chain, and against the conditional distribution."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from checks.bars import at_once
from checks.chains import large, small
from checks.exact import SCHEDULES, assert_gaussian_moments
from checks.forms import check_forms
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_steps
from numpy_diffusion.sampling.inpainting import inpaint, with_jumps
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import coefficients

HUNDRED, SHORT = Schedule.linear(T=100), SCHEDULES["cosine 10"]
DATA = Gaussian([1.0, -0.5, 0.0], [[1.0, 0.8, -0.5], [0.8, 1.2, -0.3], [-0.5, -0.3, 0.7]])
X0, MASK = np.array([2.5, np.nan, np.nan], np.float32), np.array([1, 0, 0])


def conditional(data: Gaussian, x0: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of what is not known, given what is."""
    C, m = data.covariance, data.mean
    gain = C[np.ix_(~known, known)] @ np.linalg.inv(C[np.ix_(known, known)])
    mean = m[~known] + gain @ (x0[known] - m[known])
    return mean, C[np.ix_(~known, ~known)] - gain @ C[np.ix_(known, ~known)]


def states(K: int, resample: int, jump: int) -> list[int]:
    """How many steps from x_0 the chain is, all along: get_schedule_jump of the paper's code, where x_0 is -1."""
    jumps = dict.fromkeys(range(0, K - jump, jump), resample - 1)
    t, ts = K, []
    while t >= 1:
        t -= 1
        ts.append(t)
        if jumps.get(t, 0) > 0:
            jumps[t] -= 1
            for _ in range(jump):
                t += 1
                ts.append(t)
    return [place + 1 for place in [*ts, -1]]


def moments(
    data: Gaussian,
    schedule: Schedule,
    x0: np.ndarray,
    known: np.ndarray,
    resample: int,
    jump: int,
    sigma: Any = large,
    steps: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of what RePaint draws for the unknown, with the oracle as its network."""
    times = [*chosen_steps(schedule, steps), 0][::-1]
    mean, covariance = np.zeros(len(known)), np.eye(len(known))
    for here, there in itertools.pairwise(states(len(times) - 1, resample, jump)):
        t, s = times[here], times[there]
        now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
        if s > t:  # up, by q
            mean, covariance = math.sqrt(then / now) * mean, then / now * covariance + (1 - then / now) * np.eye(3)
            continue
        to_eps = math.sqrt(1 - now) * np.linalg.inv(now * data.covariance + (1 - now) * np.eye(3))
        weight = (1 - now / then) / math.sqrt(1 - now)
        matrix = (np.eye(3) - weight * to_eps) / math.sqrt(now / then)
        mean = matrix @ mean + weight * to_eps @ data.mean * math.sqrt(now) / math.sqrt(now / then)
        noise = sigma(schedule)(t, s) if s > 0 else 0.0
        covariance = matrix @ covariance @ matrix.T + noise**2 * np.eye(3)
        mean[known] = math.sqrt(then) * x0[known]
        covariance[known], covariance[:, known] = 0.0, 0.0
        covariance[known, known] = 1 - then
    return mean[~known], covariance[np.ix_(~known, ~known)]


KNOWN = MASK == 1
EXACT = conditional(DATA, X0, KNOWN)


# --- moments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("resample", "jump"), [(1, 10), (4, 1), (3, 7)])
def test_samples_have_the_moments_of_the_papers_chain(resample: int, jump: int) -> None:
    x = inpaint(DATA.eps(HUNDRED), HUNDRED, X0, MASK, 4000, 1, resample=resample, jump=jump)
    assert_gaussian_moments(x[:, ~KNOWN], *moments(DATA, HUNDRED, X0, KNOWN, resample, jump))


def test_samples_of_some_steps_and_another_variance_have_them_too() -> None:
    steps = [100, 90, 60, 30, 10, 1]
    for option, sigma in (("beta_tilde", small), (HUNDRED.beta_tilde, without_skipping)):
        x = inpaint(DATA.eps(HUNDRED), HUNDRED, X0, MASK, 4000, 2, variance=option, steps=steps, resample=3, jump=2)
        assert_gaussian_moments(x[:, ~KNOWN], *moments(DATA, HUNDRED, X0, KNOWN, 3, 2, sigma, steps))


def without_skipping(schedule: Schedule) -> Any:
    return lambda t, s: math.sqrt(schedule.beta_tilde[t])


def test_the_model_sees_what_is_known_as_q_has_it() -> None:
    """On the way down and behind every jump: N(sqrt(alpha_bar_t) x_0, 1 - alpha_bar_t), to five standard errors."""
    places: set[int] = set()

    def model(x: np.ndarray, t: int) -> np.ndarray:
        if t < 10:  # the chain starts with noise everywhere
            alpha_bar = SHORT.alpha_bar[t]
            offset = x[:, KNOWN] - math.sqrt(alpha_bar) * X0[KNOWN]
            assert_gaussian_moments(offset, np.zeros(1), np.full((1, 1), 1.0 - alpha_bar))
            places.add(t)
        return DATA.eps(SHORT)(x, t)

    for jump in (1, 4):
        inpaint(model, SHORT, X0, MASK, 4000, 14, resample=3, jump=jump)
    assert len(places) == 9


@pytest.mark.parametrize("jump", [1, 10])
def test_the_error_falls_with_every_repetition(jump: int) -> None:
    """From half a standard deviation of the mean and a third of a variance to what steps of this size leave."""
    found = [moments(DATA, HUNDRED, X0, KNOWN, resample, jump) for resample in (1, 2, 5, 10, 20)]
    for part in (0, 1):
        errors = [np.abs(one[part] - EXACT[part]).max() for one in found]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < errors[0] / 4.0
    assert np.abs(found[0][0] - EXACT[0]).max() > 0.5


def test_ten_repetitions_draw_from_the_conditional_distribution() -> None:
    """The chain is off by 0.10 in the mean and 0.04 in the covariance, and without repetitions by 0.53 and 0.18.

    Five standard errors of 4000 draws are 0.06 in both.
    """
    first, last = (inpaint(DATA.eps(HUNDRED), HUNDRED, X0, MASK, 4000, 3, resample=r)[:, ~KNOWN] for r in (1, 10))
    errors = [(np.abs(x.mean(0) - EXACT[0]).max(), np.abs(np.cov(x.T) - EXACT[1]).max()) for x in (first, last)]
    assert errors[1][0] < 0.16 < 0.47 < errors[0][0]
    assert errors[1][1] < 0.10 < 0.12 < errors[0][1]


# --- the order of the steps ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(K=st.integers(2, 40), resample=st.integers(1, 5), data=st.data())
def test_the_chain_goes_where_the_papers_code_goes(K: int, resample: int, data: st.DataObject) -> None:
    jump = data.draw(st.integers(1, K - 1))
    chain = with_jumps(coefficients(SCHEDULES["linear 1000"], steps=K), resample, jump)
    times = [*chosen_steps(SCHEDULES["linear 1000"], K), 0][::-1]
    expected = [(times[a], times[b]) for a, b in itertools.pairwise(states(K, resample, jump)) if b < a]
    assert list(zip(chain.t.tolist(), chain.s.tolist(), strict=True)) == expected
    assert len(set(chain.noise)) == len(chain.noise)  # no noise is used twice


def test_a_step_of_algorithm_1_is_repeated_on_the_spot() -> None:
    chain = with_jumps(coefficients(SCHEDULES["linear 2"]), 3, 1)
    assert chain.t.tolist() == [2, 2, 2, 1]
    assert chain.noise.tolist() == [2, 4, 6, 1]


def test_the_model_is_called_that_often_and_the_bar_counts_it(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    calls: list[int] = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        calls.append(t)
        return x

    inpaint(model, SHORT, X0, MASK, 2, resample=2, jump=4, progress=True)
    assert calls == [10, 9, 8, 7, 6, 9, 8, 7, 6, 5, 4, 3, 2, 5, 4, 3, 2, 1]
    assert "18/18" in capsys.readouterr().err


# --- what is known ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["one", "each", "broadcast"])
def test_what_is_known_comes_back_to_the_bit(kind: str) -> None:
    rng = np.random.default_rng(4)
    x0 = rng.normal(size=(5, 2, 4, 3) if kind == "each" else (2, 4, 3)).astype(np.float32)
    mask = rng.integers(0, 2, (4, 3) if kind == "broadcast" else x0.shape)
    model = units((2, 4, 3), rng)
    x = inpaint(model, SHORT, x0, mask, 5, resample=2, jump=3)
    known = np.broadcast_to(mask, x.shape) == 1
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[known], np.broadcast_to(x0, x.shape)[known])
    assert (x[~known] != np.broadcast_to(x0, x.shape)[~known]).all()
    np.testing.assert_array_equal(inpaint(model, SHORT, x0, mask == 1, 5, resample=2, jump=3), x)


def units(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """A model in units of its own, coordinate by coordinate."""
    attributes = dict(shape=shape, shift=rng.normal(size=shape), scale=rng.uniform(0.5, 2.0, shape))
    return type("Units", (), attributes | {"__call__": lambda self, x, t: 0.9 * x})()


def test_all_known_is_x0_and_nothing_known_is_a_sample() -> None:
    model = DATA.eps(SHORT)
    x0 = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_array_equal(inpaint(model, SHORT, x0, 1, 4, resample=1), x0)
    for option in ("beta", "beta_tilde", np.full((11, 3), 0.01)):
        found = inpaint(model, SHORT, np.full(3, np.nan), 0, 4, 6, variance=option, resample=1, first=2)
        np.testing.assert_array_equal(found, sample(model, SHORT, 4, 6, variance=option, first=2))


def test_the_units_are_those_of_the_data() -> None:
    """The oracle of standardised data says what that of the data says."""
    shift, scale = np.array([1.0, -2.0, 0.5]), np.array([2.0, 0.5, 3.0])
    exact = DATA.eps(HUNDRED)
    attributes = dict(shape=(3,), shift=shift, scale=scale, __call__=lambda self, x, t: exact(x, t))
    options: Any = dict(mask=MASK, n=50, seed=7, resample=2, jump=5)
    x = inpaint(type("Units", (), attributes)(), HUNDRED, X0 * scale + shift, **options)
    np.testing.assert_allclose(x, shift + scale * inpaint(exact, HUNDRED, X0, **options), rtol=0, atol=1e-4)


def test_a_learned_variance_is_used() -> None:
    """A fraction of 1 is "beta", of 0 "beta_tilde"; but for rounding in exp and log."""
    options: Any = dict(x0=X0, mask=MASK, n=6, seed=8, steps=[10, 8, 5, 2], resample=2, jump=2)
    found = []
    for fraction, name in ((1.0, "beta"), (0.0, "beta_tilde")):
        found.append(inpaint(TwoHeaded(fraction), SHORT, variance="learned", **options))
        fixed = inpaint(DATA.eps(SHORT), SHORT, variance=name, **options)
        np.testing.assert_allclose(found[-1], fixed, rtol=0, atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


class TwoHeaded:
    """The oracle, with one fraction for everything."""

    shape, learn_variance = (3,), True

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction

    def __call__(self, x: np.ndarray, t: int) -> np.ndarray:
        return DATA.eps(SHORT)(x, t)

    def eps_and_fraction(self, x: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        return self(x, t), np.full(x.shape, self.fraction)


# --- bits ------------------------------------------------------------------------------------------------------


def test_a_sample_is_the_same_in_any_call() -> None:
    for model in (DATA.eps(SHORT), MLP(3, 8, 1)):
        whole = inpaint(model, SHORT, X0, MASK, 9, 10, resample=3, jump=2)
        for low, high in ((0, 4), (4, 9), (8, 9)):
            part = inpaint(model, SHORT, X0, MASK, high - low, 10, resample=3, jump=2, first=low)
            np.testing.assert_array_equal(part, whole[low:high])
        assert len(np.unique(whole, axis=0)) == 9
        assert (inpaint(model, SHORT, X0, MASK, 9, 11, resample=3, jump=2)[:, ~KNOWN] != whole[:, ~KNOWN]).all()


def test_rows_follow_their_own_x0_and_mask() -> None:
    rng = np.random.default_rng(12)
    x0, mask = rng.normal(size=(4, 3)).astype(np.float32), rng.integers(0, 2, (4, 3))
    whole = inpaint(DATA.eps(SHORT), SHORT, x0, mask, 4, 13, resample=2, jump=2)
    for i in range(4):
        alone = inpaint(DATA.eps(SHORT), SHORT, x0[i], mask[i], 1, 13, resample=2, jump=2, first=i)
        np.testing.assert_array_equal(alone[0], whole[i])


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("model", value) for value in (None, 3)],
        *[("schedule", value) for value in (None, "linear")],
        *[("x0", value) for value in ([1.0, 2.0], np.zeros((4, 3)), [np.nan, 0.0, 0.0], "x", None, 1.0)],
        *[("mask", value) for value in ([1, 0], [0.5, 0, 0], [2, 0, 0], "abc", None, [np.nan, 0, 0], [[1], [1, 0]])],
        *[("mask", value) for value in (np.zeros((4, 3)), np.zeros(2))],
        *[("n", value) for value in (0, 1.5, 2**32 + 1)],
        *[("seed", value) for value in (-1, 0.5)],
        *[("first", value) for value in (-1, 2**32 - 2)],
        *[("variance", value) for value in ("large", "learned", np.zeros(3))],
        *[("steps", value) for value in (0, 11, [1, 1])],
        *[("resample", value) for value in (0, 1.5, None, True)],
        *[("jump", value) for value in (0, 10, 1.5, None)],
    ],
    ids=str,
)
def test_bad_arguments_are_refused_by_name(name: str, value: Any) -> None:
    arguments = dict(model=DATA.eps(SHORT), schedule=SHORT, x0=X0, mask=MASK, n=3, resample=2, jump=3)
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        inpaint(**arguments | {name: value})


def test_the_jump_must_fit_into_the_chain_that_is_gone_down_twice() -> None:
    with pytest.raises(ValueError, match=r"^jump: expected an integer in 1\.\.4, got 5$"):
        inpaint(DATA.eps(SHORT), SHORT, X0, MASK, 3, steps=5, resample=2, jump=5)
    inpaint(DATA.eps(SHORT), SHORT, X0, MASK, 3, steps=5, resample=1)


def test_a_model_without_a_shape_takes_that_of_x0() -> None:
    found = inpaint(DATA.eps(SHORT).__call__, SHORT, X0, MASK, 3, resample=2, jump=2)
    np.testing.assert_array_equal(found, inpaint(DATA.eps(SHORT), SHORT, X0, MASK, 3, resample=2, jump=2))


def test_a_broken_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^model: eps at t = 10: expected finite values"):
        inpaint(lambda x, t: x * np.nan, SHORT, X0, MASK, 3, resample=2, jump=2)


def test_the_model_is_asked_in_the_form_that_is_asked_for() -> None:
    schedule = Schedule.linear(T=9)
    check_forms(lambda model, **options: inpaint(model, schedule, [1.0, 0.0], [1, 0], 2, jump=2, **options))
