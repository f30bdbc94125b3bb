"""The better of two draws: which two there are, which one is kept, and that nothing else in the call matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.forms import check_forms

import numpy_diffusion as nd
from numpy_diffusion.sampling.better_draw import APART, better_of_two
from numpy_diffusion.sampling.samplers import sample

SCHEDULE = nd.Schedule.linear(T=10)
TOWARDS = np.random.default_rng(0).normal(size=(200, 3))


def model(x: np.ndarray, t: int) -> np.ndarray:
    """The eps of N(0, I)."""
    return np.float32(np.sqrt(1.0 - SCHEDULE.alpha_bar[t])) * x


@pytest.mark.parametrize("options", [{}, dict(method="ddim", steps=4, end=1), dict(variance="beta_tilde")])
def test_the_larger_dot_product_of_the_two_is_kept(options: dict[str, Any]) -> None:
    found = better_of_two(model, SCHEDULE, TOWARDS, 7, first=5, **options)
    draws = [sample(model, SCHEDULE, 200, 7, first=number, shape=(3,), **options) for number in (5, 5 + APART)]
    products = [(draw * TOWARDS).sum(axis=1) for draw in draws]
    assert found.dtype == np.float32
    for n in range(200):
        np.testing.assert_array_equal(found[n], draws[int(products[1][n] > products[0][n])][n])
    assert 50 < (found == draws[0]).all(axis=1).sum() < 150  # neither is the better one by its place


def test_a_sample_is_its_own() -> None:
    whole = better_of_two(model, SCHEDULE, TOWARDS, 1)
    part = better_of_two(model, SCHEDULE, TOWARDS[40:70], 1, first=40)
    np.testing.assert_array_equal(part, whole[40:70])
    assert (better_of_two(model, SCHEDULE, TOWARDS, 2) != whole).any(axis=1).all()


def test_the_product_is_taken_in_the_units_of_the_data() -> None:
    """Where one coordinate is scaled up, it decides."""
    network = nd.MLP(2, 8, 0)
    network.shift[:], network.scale[:] = [5.0, 0.0], [1.0, 1000.0]
    found = better_of_two(network, SCHEDULE, np.ones((100, 2)), progress=False)
    draws = [sample(network, SCHEDULE, 100, first=number) for number in (0, APART)]
    np.testing.assert_array_equal(found[:, 1], np.maximum(draws[0][:, 1], draws[1][:, 1]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(towards=np.ones(3)), r"towards: expected shape \[n, D\], got \[3\]"),
        (dict(towards=[[np.nan]]), "towards: expected finite values"),
        (dict(first=APART - 1), "first: expected an integer in 0.."),
        (dict(method="plms"), "method: expected one of"),
    ],
)
def test_a_bad_argument_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        better_of_two(**dict(model=model, schedule=SCHEDULE, towards=TOWARDS) | options)


def test_it_is_a_public_name() -> None:
    assert nd.better_of_two is better_of_two


def test_the_model_is_asked_in_the_form_that_is_asked_for() -> None:
    check_forms(lambda model, **options: better_of_two(model, SCHEDULE, TOWARDS, **options))
