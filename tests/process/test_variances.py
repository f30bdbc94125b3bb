"""The learned variance between its two bounds, and the optimal one against closed forms and as a minimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES
from checks.gaussians import gaussian
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.evaluation.optimal_variance import optimal_variance
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.oracles import moments
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.reverse import reverse_variance
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import checked, from_error, learned_variance

LINEAR = SCHEDULES["linear 10"]
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
PAIRS = [(10, 9), (10, 4), (7, 6), (3, 1), (2, 1)]


@pytest.mark.parametrize(("t", "s"), PAIRS)
def test_the_ends_of_the_fraction_are_the_fixed_variances(t: int, s: int) -> None:
    for fraction, kind in ((0.0, "beta_tilde"), (1.0, "beta")):
        found = learned_variance(LINEAR, np.full((2, 3), fraction), t, s)
        np.testing.assert_allclose(found, reverse_variance(LINEAR, t, kind, s), rtol=1e-13)


def check_logarithms() -> None:
    """Half way lies the geometric mean, not the arithmetic (diffusers pull 2090)."""
    for t, s in PAIRS:
        low, high = (reverse_variance(LINEAR, t, kind, s) for kind in ("beta_tilde", "beta"))
        np.testing.assert_allclose(learned_variance(LINEAR, np.full((1, 1), 0.5), t, s), np.sqrt(low * high))
        np.testing.assert_allclose(learned_variance(LINEAR, np.full((1, 1), 2.0), t, s), high**2 / low)


def test_logarithms_are_interpolated_and_not_variances() -> None:
    check_logarithms()


def test_the_last_step_has_the_second_ones_beta_tilde_for_its_zero() -> None:
    assert learned_variance(LINEAR, np.zeros((1, 1)), 1) == pytest.approx(LINEAR.beta_tilde[2])
    assert learned_variance(LINEAR, np.ones((1, 1)), 1) == pytest.approx(LINEAR.beta[1])
    one = SCHEDULES["linear 1"]
    assert learned_variance(one, np.zeros((1, 1)), 1) == pytest.approx(one.beta[1])


def test_steps_may_differ_from_sample_to_sample() -> None:
    t, s, fraction = np.array([9, 4, 1]), np.array([5, 3, 0]), np.random.default_rng(0).random((3, 2))
    together = learned_variance(LINEAR, fraction, t, s)
    for n in range(3):
        alone = learned_variance(LINEAR, fraction[n : n + 1], int(t[n]), int(s[n]))
        np.testing.assert_allclose(together[n : n + 1], alone, rtol=1e-14)


@EACH
@pytest.mark.parametrize("variance", [0.0, 0.25, 1.0, 9.0])
def test_the_closed_form_on_isotropic_data_is_the_true_reverse_variance(schedule: Schedule, variance: float) -> None:
    """Of jointly Gaussian x_s and x_t, by the variance of x_s given x_t: its own less what x_t explains."""
    found = moments.gaussian_optimal_variance(Gaussian([1.0], [[variance]]), schedule)
    t = np.arange(1, schedule.T + 1)
    now, then = (schedule.alpha_bar[k] * variance + 1.0 - schedule.alpha_bar[k] for k in (t, t - 1))
    expected = then - schedule.alpha[t] * then**2 / now
    np.testing.assert_allclose(found[1:, 0], expected, rtol=1e-6, atol=1e-12)
    assert found[0, 0] == 0.0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), D=st.integers(1, 3), steps=st.sampled_from([None, 3, [10, 6, 5, 1]]))
def test_the_estimate_is_the_closed_form(seed: int, D: int, steps: Any) -> None:
    """The mean of n squares of Gaussians has the relative standard error sqrt(2 / n); beta_tilde is exact."""
    data, n = gaussian(seed, D), 4_000
    found = optimal_variance(data.eps(LINEAR), LINEAR, data.sample(n, seed), seed, steps=steps)
    exact = moments.gaussian_optimal_variance(data, LINEAR, steps)
    assert found.shape == exact.shape == (11, D)
    assert (np.abs(found - exact) <= 5.0 * np.sqrt(2.0 / n) * exact).all()
    visited = {None: range(1, 11), 3: (10, 7, 3)}.get(steps, (10, 6, 5, 1)) if not isinstance(steps, list) else steps
    assert set(np.flatnonzero(exact[:, 0])) == set(visited)


def test_the_model_s_own_units_are_used() -> None:
    model, data = MLP(2, 8, 0, seed=1), gaussian(3, 2).sample(500, 0)
    before = optimal_variance(model, LINEAR, data)
    model.shift, model.scale = np.array([5.0, -1.0], np.float32), np.array([4.0, 0.5], np.float32)
    np.testing.assert_allclose(optimal_variance(model, LINEAR, data * model.scale + model.shift), before, rtol=1e-5)


def test_no_other_variance_has_a_lower_expected_term() -> None:
    """KL's part that depends on sigma^2, log sigma^2 + E |mu_tilde - mu|^2 / sigma^2 + beta_tilde / sigma^2."""
    for error in (0.3, 1.0, 2.5):
        best = from_error(LINEAR, np.array(error), 5, 3)

        def term(variance: Any, error: float = error) -> Any:
            beta, tilde = (reverse_variance(LINEAR, 5, kind, 3) for kind in ("beta", "beta_tilde"))
            off = beta**2 / ((1.0 - beta) * (1.0 - LINEAR.alpha_bar[5])) * error
            return np.log(variance) + (tilde + off) / variance

        others = best * np.geomspace(0.5, 2.0, 40)
        assert (term(others) > term(best)).all()


@pytest.mark.parametrize(
    ("variance", "complaint"),
    [
        ("sigma", "expected one of 'beta', 'beta_tilde', 'learned', got str 'sigma'"),
        ("learned", r'expected "learned" with a model that learns its variance, such as .*, got it with another'),
        (np.ones(10), r"expected shape \[11\] or \[11, 2\], got \[10\]"),
        (np.ones((11, 3)), r"expected shape \[11\] or \[11, 2\], got \[11, 3\]"),
        (-np.ones(11), "expected values of at least 0, got -1"),
        (np.full(11, np.nan), "expected finite values, got 11 that are NaN or infinite in float64"),
    ],
)
def test_a_variance_that_is_none_is_refused(variance: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^variance: {complaint}$"):
        checked(variance, LINEAR, (2,), learn_variance=False)


def test_a_variance_that_is_one_is_kept() -> None:
    assert checked("learned", LINEAR, (2,), learn_variance=True) == "learned"
    for shape in ((11,), (11, 2)):
        np.testing.assert_array_equal(checked(np.ones(shape), LINEAR, (2,)), np.ones(shape))
