"""Dropout: what is kept, how often, and that it is a sample's own."""

from __future__ import annotations

import numpy as np
import pytest
from checks.dropout import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import dropout

ONES = np.ones((4, 5, 3, 3))
SAMPLES = np.array([7, 0, 3, 2**31])


def factors(samples: np.ndarray = SAMPLES, seed: int = 1, step: int = 2, number: int = 3) -> np.ndarray:
    return dropout.forward(np.ones((len(samples), 5, 3, 3)), 0.5, seed, samples, step, number)[0]


@settings(deadline=None, max_examples=20)
@given(st.floats(0.0, 0.99))
def test_gradients(probability: float) -> None:
    check_gradients(probability)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9])
def test_values_are_dropped_as_often_as_said_and_the_mean_stays(probability: float) -> None:
    n = 40_000
    y, _ = dropout.forward(np.ones((4, n // 4), np.float32), probability, 0, np.arange(4), 1, 0)
    assert y.dtype == np.float32
    np.testing.assert_allclose(np.unique(y[y > 0]), 1.0 / (1.0 - probability), rtol=1e-6)
    deviation = np.sqrt(probability * (1.0 - probability) / n)
    assert abs((y == 0).mean() - probability) <= 5.0 * deviation  # five standard errors


def test_a_sample_keeps_the_same_in_any_batch() -> None:
    whole = factors()
    for n, sample in enumerate(SAMPLES):
        np.testing.assert_array_equal(factors(np.array([sample])), whole[n : n + 1])


@pytest.mark.parametrize(
    "other",
    [dict(seed=2), dict(step=3), dict(number=4), dict(samples=SAMPLES + 1)],
    ids=lambda other: next(iter(other)),
)
def test_another_seed_step_number_or_sample_drops_others(other: dict) -> None:
    agree = (factors() == factors(**other)).mean()
    assert abs(agree - 0.5) < 5.0 * 0.5 / np.sqrt(ONES.size)  # five standard errors of a fair coin
