"""What a training step draws, its gradient, and the steps as NumPy takes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, kernel
from checks.gradcheck import errors, wrong
from checks.tasks import losses_and_gradient, prepare
from checks.training_step import (
    DATA,
    EACH_STEP,
    HISTORY,
    SCHEDULE,
    TABLE,
    T,
    assert_uniform,
    check_every_step_is_drawn,
    check_gradients,
    check_loss,
    check_no_noise_is_shared,
    drawn,
    network,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.models.tasks import Adam, State
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import step_sampling
from numpy_diffusion.training.batch import draw
from numpy_diffusion.training.losses import noise_prediction, variance_loss, weights
from numpy_diffusion.training.step import start

FLAT = settings(deadline=None, max_examples=25)
ONES = weights(SCHEDULE)


def trained(model: MLP, state: State, count: int, backend: Any = "numpy", **changes: Any) -> np.ndarray:
    """The losses of `count` steps from `state`, which they change."""
    options = dict(batch=64, weighting=ONES, adam=Adam(), rates=np.full(1000, 0.01), average_decay=0.9, seed=3)
    options |= dict(schedule=SCHEDULE, data=DATA.astype(model.buffer.dtype), backend=backend)
    return prepare(model, **options | changes)(state, count)


# --- what a step draws -----------------------------------------------------------------------------------------


def test_every_step_is_drawn() -> None:
    check_every_step_is_drawn()


def test_points_are_drawn_uniformly_and_whatever_t_is() -> None:
    index, t, _ = drawn()
    assert_uniform(index, 0, 6)
    assert_uniform(7 * (t - 1) + index, 0, 69)


def test_draws_of_neighbouring_samples_and_steps_are_independent() -> None:
    index, t, _ = drawn()
    for values, number in ((index, 7), (t - 1, T)):
        assert_uniform(number * values[:, 1:] + values[:, :-1], 0, number**2 - 1)
        assert_uniform(number * values[1:] + values[:-1], 0, number**2 - 1)


def test_no_noise_is_shared() -> None:
    check_no_noise_is_shared()


@FLAT
@given(seed=st.integers(0, 2**64 - 1), step=st.integers(1, 2**31), batch=st.integers(1, 40), D=st.integers(1, 6))
def test_a_draw_is_a_function_of_seed_step_and_sample(seed: int, step: int, batch: int, D: int) -> None:
    data = np.random.default_rng(D).normal(size=(50, D)).astype(np.float32)
    one, two = (
        draw(data, np.arange(1, 1001), batch, seed, step),
        draw(data, np.arange(1, 1001), batch + 9, seed, step),
    )
    for few, more in zip(one, two, strict=True):
        np.testing.assert_array_equal(few, more[:batch])
    assert one[0].shape == one[2].shape == (batch, D)
    assert one[1].shape == (batch,)
    assert one[0].dtype == one[2].dtype == np.float32
    for other in (
        draw(data, np.arange(1, 1001), batch, seed ^ 1, step),
        draw(data, np.arange(1, 1001), batch, seed, step + 1),
    ):
        assert (other[2] != one[2]).any(axis=1).all()


# --- the loss and its gradient ---------------------------------------------------------------------------------


SMALL = dict(
    seed=st.integers(0, 1000),
    dim=st.integers(1, 3),
    width=st.integers(1, 5),
    depth=st.integers(0, 2),
    batch=st.integers(1, 6),
)


@FLAT
@given(**SMALL)
def test_the_loss_is_as_printed(seed: int, dim: int, width: int, depth: int, batch: int) -> None:
    check_loss(seed, dim, width, depth, batch)


@FLAT
@given(**SMALL)
def test_the_gradient_is_that_of_the_loss(seed: int, dim: int, width: int, depth: int, batch: int) -> None:
    check_gradients(seed, dim, width, depth, batch)


def check_variance_head(seed: int = 0) -> None:
    """The head for the variance adds its loss, whose gradient goes through the head alone: eps_hat is held fixed."""
    model, rng = MLP(2, 5, 2, embedding=4, learn_variance=True, dtype=np.float64), np.random.default_rng(seed)
    model.buffer[:] = rng.normal(size=model.buffer.size) / 2.0
    x0, eps = rng.normal(size=(2, 4, 2))
    t, lambda_t = rng.integers(1, T + 1, 4), rng.uniform(0.1, 3.0, T + 1)
    signal, noise = (values[:, None] for values in kernel(SCHEDULE, t))
    xt = signal * x0 + np.sqrt(noise) * eps
    held = model(xt, t, backend="numpy")

    def loss() -> float:
        eps_hat, fraction = model.eps_and_fraction(xt, t, backend="numpy")
        more = variance_loss(2.0 * fraction - 1.0, held, eps, TABLE[t])[0]
        return float((noise_prediction(eps_hat, eps, lambda_t[t])[0] + more).mean())

    found, gradient = losses_and_gradient(model, SCHEDULE, model.buffer, x0, t, eps, lambda_t, TABLE)
    assert found.mean() == pytest.approx(loss(), rel=1e-11)
    assert wrong(errors(loss, {"weights": model.buffer}, {"weights": gradient})) == []


def test_the_variance_head_learns_beside_the_mean() -> None:
    check_variance_head()


# --- steps -----------------------------------------------------------------------------------------------------


def test_steps_are_draw_gradient_adam_and_average() -> None:
    """Three of them by hand, from step 4 on: with the step's own number, rate and decay."""
    model, adam = network(5, 2, 6, 1, True), Adam(0.8, 0.95, 1e-3, 0.2)
    rates = np.linspace(0.01, 0.05, 10)
    before, after = (
        State(model.buffer.copy(), *rng.uniform(0.1, 0.2, (2, model.buffer.size)), model.buffer / 2, HISTORY, 3)
        for rng in (np.random.default_rng(6), np.random.default_rng(6))
    )
    losses = trained(model, after, 3, batch=5, adam=adam, rates=rates)
    theta, m, v, average = before.parameters, before.m, before.v, before.average
    for k, step in enumerate((4, 5, 6)):
        batch = draw(DATA.astype(np.float64), EACH_STEP, 5, 3, step)
        found, g = losses_and_gradient(model, SCHEDULE, theta, *batch, ONES, TABLE)
        assert losses[k] == pytest.approx(found.mean(), rel=1e-6)
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        change = m / (1 - 0.8**step) / (np.sqrt(v / (1 - 0.95**step)) + 1e-3) + 0.2 * theta
        theta = theta - rates[step - 1] * change
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * theta
    for found, expected in zip(
        (after.parameters, after.m, after.v, after.average), (theta, m, v, average), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert after.step == 6


def test_a_state_starts_as_the_model_and_apart_from_it() -> None:
    model = network(7, 2, 6, 1, False, np.float32)
    state = start(model, SCHEDULE.T)
    before = model.buffer.copy()
    assert state.step == 0
    np.testing.assert_array_equal(state.parameters, before)
    np.testing.assert_array_equal(state.average, before)
    assert not state.m.any()
    assert not state.v.any()
    trained(model, state, 2)
    np.testing.assert_array_equal(model.buffer, before)
    assert (state.parameters != state.average).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_loss_falls(backend: Any) -> None:
    """Seven points: from 1, the mean of eps^2 (to five standard errors), to less than half."""
    model = MLP(2, 32, 1)
    losses = trained(model, start(model, SCHEDULE.T), 400, backend, batch=128)
    assert losses.shape == (400,)
    assert losses.dtype == np.float32
    assert abs(losses[0] - 1.0) < 5.0 * math.sqrt(2.0 / (128 * 2))
    assert losses[-50:].mean() < 0.5


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_average_without_memory_is_the_weights(backend: Any) -> None:
    model = MLP(2, 16, 1)
    state = start(model, SCHEDULE.T)
    trained(model, state, 50, backend, average_decay=0.0)
    np.testing.assert_allclose(state.average, state.parameters, rtol=1e-5, atol=1e-8)
    trained(model, state, 1, backend)
    assert np.abs(state.average - state.parameters).max() > 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rate_of_zero_changes_no_weight(backend: Any) -> None:
    model = network(8, 2, 9, 1, True, np.float32)
    state = start(model, SCHEDULE.T)
    trained(model, state, 5, backend, rates=np.zeros(5), adam=Adam(weight_decay=0.5))
    np.testing.assert_array_equal(state.parameters, model.buffer)
    np.testing.assert_array_equal(state.average, model.buffer)
    assert state.m.any()
    assert (state.v > 0).any()
    assert state.step == 5


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("t", [1, T // 2, T])
def test_weights_decide_which_steps_are_trained(backend: Any, t: int) -> None:
    """With all weight on one t the loss is what the draws of that t give; without any weight nothing changes."""
    only, none = (np.arange(T + 1) == t).astype(float), np.zeros(T + 1)
    for weighting in (only, none):
        model = network(9, 2, 9, 1, True, np.float32)
        state = start(model, SCHEDULE.T)
        losses = trained(model, state, 4, backend, weighting=weighting)
        assert (losses > 0).all() == (state.parameters != model.buffer).any() == bool(weighting.any())


def test_a_float64_network_takes_the_steps_in_float64_and_by_numpy() -> None:
    model = network(10, 2, 6, 1, True)
    states = [start(model, SCHEDULE.T) for _ in BACKENDS]
    losses = [trained(model, state, 3, backend) for state, backend in zip(states, BACKENDS, strict=True)]
    np.testing.assert_array_equal(*losses)
    np.testing.assert_array_equal(states[0].parameters, states[1].parameters)
    assert states[0].parameters.dtype == np.float64


def test_every_step_of_any_chain_can_be_trained() -> None:
    for name in ("linear 1", "cosine 2"):
        schedule: Schedule = SCHEDULES[name]
        model = network(11, 2, 6, 1, True, np.float32)
        for backend in BACKENDS:
            losses = trained(
                model, start(model, SCHEDULE.T), 3, backend, schedule=schedule, weighting=weights(schedule, "vlb")
            )
            assert np.isfinite(losses).all()


# --- steps drawn by the history of their losses ----------------------------------------------------------------


def test_both_forms_keep_the_same_history_and_draw_by_it() -> None:
    """60 steps of 64 over T = 10: the history is full after a few, and the steps that follow are drawn by it."""
    model = network(8, 2, 6, 1, True, np.float32)
    states = {backend: start(model, SCHEDULE.T) for backend in BACKENDS}
    options = dict(sampling="importance", weighting=weights(SCHEDULE, "vlb"), adam=Adam(epsilon=0.1))
    losses = [trained(model, state, 60, backend, **options) for backend, state in states.items()]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    fused, defined = (states[backend].history for backend in BACKENDS)
    np.testing.assert_allclose(fused, defined, rtol=1e-2, atol=1e-6)
    assert (fused[1:, step_sampling.MEMORY] >= step_sampling.MEMORY).all()
    uniform = trained(model, start(model, SCHEDULE.T), 60, **options | {"sampling": "uniform"})
    assert (uniform[:1] == losses[1][:1]).all()
    assert (uniform[-5:] != losses[1][-5:]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_by_history_are_the_same_one_by_one(backend: Any) -> None:
    model = network(9, 2, 6, 1, True, np.float32)
    whole, parts = start(model, SCHEDULE.T), start(model, SCHEDULE.T)
    losses = trained(model, whole, 40, backend, sampling="importance")
    found = [trained(model, parts, count, backend, sampling="importance") for count in (1, 20, 19)]
    np.testing.assert_array_equal(np.concatenate(found), losses)
    np.testing.assert_array_equal(parts.history, whole.history)
    np.testing.assert_array_equal(parts.parameters, whole.parameters)
