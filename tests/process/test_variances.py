"""The learned variance between its two bounds, the optimal one as a minimum, and what is no variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES

from numpy_diffusion.process.reverse import reverse_variance
from numpy_diffusion.process.variances import checked, from_error, learned_variance

LINEAR = SCHEDULES["linear 10"]
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
