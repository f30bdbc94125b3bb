"""Training steps: draw, gradient, Adam and average, by the definitions and by the kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES
from checks.images import IMAGES, LABELS, drawn_labels, unet
from checks.images import SCHEDULE as OF_IMAGES
from checks.tasks import advanced, losses_and_gradient, prepare
from checks.training_step import (
    DATA,
    EACH_STEP,
    HISTORY,
    SCHEDULE,
    TABLE,
    T,
    network,
)

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.tasks import Adam, State
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import low_resolution, step_sampling
from numpy_diffusion.training.batch import draw, mirrored
from numpy_diffusion.training.losses import bound_table, weights
from numpy_diffusion.training.step import start

ONES = weights(SCHEDULE)


def trained(model: MLP, state: State, count: int, backend: Any = "numpy", **changes: Any) -> np.ndarray:
    """The losses of `count` steps from `state`, which they change."""
    options = dict(batch=64, weighting=ONES, adam=Adam(), rates=np.full(1000, 0.01), average_decay=0.9, seed=3)
    options |= dict(schedule=SCHEDULE, data=DATA.astype(model.buffer.dtype), backend=backend)
    return advanced(prepare(model, **options | changes), state, count)


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
        batch = draw(DATA.astype(np.float64), EACH_STEP, np.arange(5), 3, step)
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


# --- images ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", [False, True])
def test_a_step_is_what_is_drawn_mirrored_and_labelled(mirror: bool) -> None:
    """Its loss by hand; at step 3 of a network whose weights are drawn, so that all it is shown counts."""
    model = unet(dropout=0.2)
    model.buffer[:] += np.random.default_rng(3).normal(size=model.buffer.size).astype(np.float32)
    state, rates = start(model, 20), np.full(9, 1e-3)
    state.step = 2
    settings = dict(batch=6, weighting=weights(OF_IMAGES), adam=Adam(), rates=rates, average_decay=0.9, seed=3)
    settings |= dict(label_dropout=0.5, mirror=mirror, backend="numpy")
    found = advanced(prepare(model, OF_IMAGES, IMAGES, LABELS, **settings), state, 1)
    x0, t, eps = draw(IMAGES, np.arange(1, 21), np.arange(6), 3, 3)
    shown = mirrored(x0, np.arange(6), 3, 3) if mirror else x0, t, eps, weights(OF_IMAGES), bound_table(OF_IMAGES)
    labels, dropped = drawn_labels(LABELS, 3, 0.5, 6, 3, 3), (3, np.arange(6), 3)
    losses, _ = losses_and_gradient(model, OF_IMAGES, model.buffer, *shown, labels, dropped)
    np.testing.assert_array_equal(found, [losses.mean()])
    assert state.step == 3


@pytest.mark.parametrize("crop", [None, 2])
def test_a_step_shows_the_same_part_of_an_image_and_of_the_one_to_go_by(crop: int | None) -> None:
    """Both mirrored alike; its loss by hand."""
    model = unet(in_channels=2, classes=None)
    model.buffer[:] += np.random.default_rng(3).normal(size=model.buffer.size).astype(np.float32)
    state, rates, small = start(model, 20), np.full(9, 1e-3), IMAGES[:, :, ::2, ::2]
    settings = dict(batch=6, weighting=weights(OF_IMAGES), adam=Adam(), rates=rates, average_decay=0.9, seed=3)
    settings |= dict(mirror=True, crop=crop, backend="numpy")
    found = advanced(prepare(model, OF_IMAGES, IMAGES, Condition(low_resolution=small), **settings), state, 1)
    x0, t, eps = draw(IMAGES, np.arange(1, 21), np.arange(6), 3, 1, crop)
    samples = np.arange(6)
    low, _, _ = draw(small, np.arange(1, 21), np.arange(6), 3, 1)
    x0, low = low_resolution.part(*(mirrored(x, samples, 3, 1) for x in (x0, low)), crop, samples, 3, 1)
    assert x0.shape == low.shape == eps.shape
    shown = x0, t, eps, weights(OF_IMAGES), bound_table(OF_IMAGES), Condition(low_resolution=low)
    losses, _ = losses_and_gradient(model, OF_IMAGES, model.buffer, *shown)
    np.testing.assert_array_equal(found, [losses.mean()])


@pytest.mark.parametrize("options", [{}, {"out_channels": 2}, {"classes": None}])
def test_kernels_take_the_steps_of_the_definition(options: dict[str, Any]) -> None:
    """Steps by the two roads from the same start, to float32 rounding: Adam divides by what may be tiny."""
    model = unet(**options | {"dropout": 0.2})
    labels = None if model.null_label is None else LABELS
    states, found = [], []
    for backend in ("numpy", "numba"):
        adam, rates = Adam(epsilon=1e-3), np.full(9, 1e-3)
        settings = dict(batch=4, weighting=weights(OF_IMAGES), adam=adam, rates=rates, average_decay=0.9, seed=3)
        advance = prepare(
            model, OF_IMAGES, IMAGES, labels, **settings, label_dropout=0.3, mirror=True, backend=backend
        )
        states.append(start(model, 20))
        found.append(advanced(advance, states[-1], 6))
    np.testing.assert_allclose(*found, rtol=1e-4)
    np.testing.assert_allclose(states[0].parameters, states[1].parameters, atol=1e-5)
    np.testing.assert_allclose(states[0].average, states[1].average, atol=1e-5)
