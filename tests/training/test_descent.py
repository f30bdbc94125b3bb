"""A move of the weights: the same by both forms, made when it is asked for and not before, and known to be finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.models.tasks import Adam, State
from numpy_diffusion.training import step_sampling
from numpy_diffusion.training.descent import Descent

P, RNG = 1000, np.random.default_rng(0)
GRADIENT = RNG.normal(size=P).astype(np.float32)


def state(parameters: Any = None) -> State:
    rng = np.random.default_rng(1)
    weights, average = rng.normal(size=(2, P)).astype(np.float32)
    weights = weights if parameters is None else np.full(P, parameters, np.float32)
    return State(weights, *np.zeros((2, P), np.float32), average, step_sampling.start(0), 0)


def descent(backend: Any, rate: float = 1e-2, **adam: float) -> Descent:
    return Descent(Adam(**adam), np.full(9, rate), np.full(9, 0.9), backend)


def arrays(one: State) -> list[np.ndarray]:
    return [one.parameters, one.m, one.v, one.average]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_move_is_made_when_it_is_asked_for(backend: Any) -> None:
    one, before = state(), arrays(state())
    move = descent(backend).move(one, GRADIENT)
    for found, expected in zip(arrays(one), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    move.make()
    assert move.finite
    assert all((found != expected).any() for found, expected in zip(arrays(one), before, strict=True))


def test_both_forms_move_alike_and_the_kernel_where_the_arrays_lie() -> None:
    one, other = state(), state()
    there = arrays(one)
    for step, (first, second) in enumerate([(one, "numba"), (other, "numpy")]):
        for k in range(3):
            descent(second, weight_decay=0.1).move(first, GRADIENT * (k + 1)).make()
            first.step += 1
        assert first.step == 3, step
    for found, expected, before in zip(arrays(one), arrays(other), there, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        assert found is before


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e19])
@pytest.mark.parametrize("place", [0, 501, P - 1])
def test_one_number_that_is_not_finite_is_found_before(backend: Any, value: float, place: int) -> None:
    """Of 2e19 the square is not."""
    gradient = GRADIENT.copy()
    gradient[place] = value
    with np.errstate(over="ignore", invalid="ignore"):
        assert not descent(backend).move(state(), gradient).finite


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("adam", "weights", "finite"),
    [
        ({}, 1e36, True),
        ({"rate": 1e39}, 1.0, False),
        ({"rate": 1.0, "weight_decay": 1e4}, 1e35, False),
        ({"rate": 1e-3, "weight_decay": 0.1}, 1e36, True),
    ],
)
def test_weights_that_leave_the_numbers_are_found_before(
    backend: Any, adam: Any, weights: float, finite: bool
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        assert descent(backend, **adam).move(state(weights), GRADIENT).finite == finite


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), rate=st.floats(1e-4, 1.0), decay=st.floats(0.0, 3.0), beta2=st.floats(0.95, 0.9999))
def test_no_weight_exceeds_the_reach(seed: int, rate: float, decay: float, beta2: float) -> None:
    rng, one = np.random.default_rng(seed), state()
    moves = descent("numba", rate, weight_decay=decay, beta2=beta2)
    for k in range(9):
        gradient = rng.normal(size=P) * 10.0 ** rng.uniform(-8, 8) * (rng.random(P) < 0.3)
        moves.move(one, gradient.astype(np.float32)).make()
        one.step = k + 1
        assert np.abs(one.parameters).max() <= one.reach * (1.0 + 1e-5)
