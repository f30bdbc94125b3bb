"""The fused training steps: the gradient and the steps of the definition, in bits that no split or thread changes."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numba
import numpy as np
import pytest
from checks.tasks import advanced, losses_and_gradient, prepare
from checks.threads import digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.models.tasks import Adam, State
from numpy_diffusion.networks.mlp import compiled
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.batch import draw
from numpy_diffusion.training.losses import bound_table, weights
from numpy_diffusion.training.step import start

FLAT = settings(deadline=None, max_examples=30)
LINEAR = Schedule.linear(T=1000)
SMOOTH = Adam(epsilon=0.1, weight_decay=0.1)  # with the usual 1e-8 Adam turns a rounding of 0 into a whole step

SHAPES = dict(
    seed=st.integers(0, 2**64 - 1),
    dim=st.sampled_from([1, 2, 3, 5, 9, 40]),
    width=st.integers(1, 70),
    depth=st.integers(0, 3),
    embedding=st.integers(1, 20).map(lambda half: 2 * half),
    residual=st.booleans(),
    learn_variance=st.booleans(),
    batch=st.one_of(st.integers(1, 3), st.sampled_from([16, 31, 32, 33, 64]), st.integers(1, 150)),
)


def network(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, learn_variance: bool = False
) -> MLP:
    """All weights drawn, the output layer's too: training's own start, eps = 0, has most of its gradients zero."""
    octaves = seed % 4 if dim < 40 else 0  # 40 coordinates have thousands of waves, whose sum may cancel in float32
    structure = dict(embedding=embedding, octaves=octaves, residual=residual, learn_variance=learn_variance)
    model = MLP(dim, width, depth, **structure)
    rng = np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(values.shape[-1])
    return model


def points(dim: int, n: int = 60) -> np.ndarray:
    return np.random.default_rng(dim).normal(size=(n, dim)).astype(np.float32)


def steps(model: MLP, count: int, **changes: Any) -> tuple[State, np.ndarray]:
    """The state after `count` steps, and their losses."""
    options = dict(batch=70, weighting=weights(LINEAR), adam=Adam(), average_decay=0.9, seed=1)
    options |= dict(rates=np.linspace(0.01, 0.02, 20), data=points(*model.shape))
    state = start(model, 1000)
    return state, advanced(prepare(model, LINEAR, **options | changes), state, count)


def arrays(state: State) -> tuple[np.ndarray, ...]:
    return state.parameters, state.m, state.v, state.average


@FLAT
@given(**SHAPES)
def test_the_gradient_is_that_of_the_definition(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, learn_variance: bool, batch: int
) -> None:
    """Against float64; with beta1 = beta2 = 0 a step leaves the gradient in m and its square in v.

    What float32 loses grows as eps_hat - eps, whose size the loss tells, falls below eps_hat and eps.
    """
    model = network(seed, dim, width, depth, embedding, residual, learn_variance)
    state, losses = steps(model, 1, batch=batch, adam=Adam(0.0, 0.0), seed=seed)
    double = MLP(**model.options, dtype=np.float64)
    double.buffer[:] = model.buffer
    drawn = draw(points(dim).astype(np.float64), np.arange(1, 1001), np.arange(batch), seed, 1)
    tables = weights(LINEAR), bound_table(LINEAR)
    found, gradient = losses_and_gradient(double, LINEAR, double.buffer, *drawn, *tables)
    loss = found.mean()
    assert losses[0] == pytest.approx(loss, rel=1e-5, abs=1e-6)
    assert np.linalg.norm(state.m - gradient) <= 1e-5 * (1.0 + 1.0 / np.sqrt(loss)) * np.linalg.norm(gradient)
    np.testing.assert_allclose(state.v, state.m**2, rtol=1e-6)


@FLAT
@given(**SHAPES, weighting=st.sampled_from(["simple", "min_snr"]))
def test_a_few_steps_are_those_of_the_definition(
    seed: int,
    dim: int,
    width: int,
    depth: int,
    embedding: int,
    residual: bool,
    learn_variance: bool,
    batch: int,
    weighting: str,
) -> None:
    model = network(seed, dim, width, depth, embedding, residual, learn_variance)
    options = dict(batch=batch, adam=SMOOTH, seed=seed)
    (fused, fused_losses), (defined, losses) = (
        steps(model, 5, weighting=weights(LINEAR, weighting), backend=backend, **options) for backend in BACKENDS
    )
    assert fused.step == defined.step == 5
    assert fused_losses.dtype == losses.dtype == np.float32
    np.testing.assert_allclose(fused_losses, losses, rtol=1e-5, atol=1e-6)
    for one, two in zip(arrays(fused), arrays(defined), strict=True):
        assert one.dtype == two.dtype == np.float32
        assert np.linalg.norm(one - two) <= 3e-5 * np.linalg.norm(two)
    moved = np.linalg.norm(defined.parameters - model.buffer)
    assert np.linalg.norm(fused.parameters - defined.parameters) <= 3e-5 * moved


@FLAT
@given(cuts=st.sets(st.integers(1, 11)), batch=st.integers(1, 80), residual=st.booleans())
def test_any_split_of_the_steps_gives_the_same_bits(cuts: set[int], batch: int, residual: bool) -> None:
    model = network(2, 3, 20, 2, 8, residual)
    whole, losses = steps(model, 12, batch=batch)
    options = dict(batch=batch, weighting=weights(LINEAR), adam=Adam(), average_decay=0.9, seed=1)
    options |= dict(rates=np.linspace(0.01, 0.02, 20), data=points(3))
    advance, state, found = prepare(model, LINEAR, **options), start(model, 1000), []
    for low, high in itertools.pairwise(sorted({0, 12, *cuts})):
        found.append(advanced(advance, state, high - low))
        if high % 2:  # as after a stop: all that is left is the state
            advance = prepare(MLP(**model.options, seed=5), LINEAR, **options)
    np.testing.assert_array_equal(np.concatenate(found), losses)
    for one, two in zip(arrays(state), arrays(whole), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("batch", [33, 250])
def test_a_large_network_takes_the_same_steps_one_by_one(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its arrays lie, and without others like them."""
    model = network(3, 5, 37, 2, 8, True)
    expected, expected_losses = steps(model, 4, batch=batch, adam=Adam(weight_decay=0.1))
    monkeypatch.setattr(compiled, "LARGE", model.buffer.size)
    state, losses = steps(model, 4, batch=batch, adam=Adam(weight_decay=0.1))
    np.testing.assert_array_equal(losses, expected_losses)
    for one, two in zip(arrays(state), arrays(expected), strict=True):
        np.testing.assert_array_equal(one, two)


def digest() -> str:
    """Of a few steps of batches of several blocks, the last not full."""
    code = hashlib.sha256()
    for residual, batch in ((True, 250), (False, 33)):
        state, losses = steps(network(3, 5, 37, 2, 8, residual), 4, batch=batch)
        for values in (*arrays(state), losses):
            code.update(values.tobytes())
    return code.hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    own = digest()
    assert digests(__file__) == [own] * 3


def test_the_number_of_threads_may_change_between_steps() -> None:
    model, threads = network(4, 2, 20, 1, 8, True), numba.get_num_threads()
    whole, _ = steps(model, 6)
    options = dict(batch=70, weighting=weights(LINEAR), adam=Adam(), average_decay=0.9, seed=1)
    advance = prepare(model, LINEAR, rates=np.linspace(0.01, 0.02, 20), data=points(2), **options)
    state = start(model, 1000)
    try:
        for _ in range(3):
            numba.set_num_threads(1)
            advanced(advance, state, 1)
            numba.set_num_threads(threads)
            advanced(advance, state, 1)
    finally:
        numba.set_num_threads(threads)
    for one, two in zip(arrays(state), arrays(whole), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_seed_and_the_step_decide_what_is_drawn() -> None:
    model = network(5, 2, 9, 1, 4, True)
    still = dict(rates=np.zeros(20))
    losses = [steps(model, 6, seed=seed, **still)[1] for seed in (0, 0, 1, 2**32, 2**64 - 1)]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert len(np.unique(losses)) == 4 * 6


def test_what_lies_past_the_batch_or_the_rows_of_a_matrix_does_not_count() -> None:
    """Widths and batches around those of registers and tiles, where each gives its own loss and gradient."""
    for width, batch in itertools.product((7, 8, 9, 15, 16, 17), (31, 32, 33)):
        model = network(6, 2, width, 1, 4, True)
        (fused, one), (defined, two) = (steps(model, 1, batch=batch, adam=SMOOTH, backend=b) for b in BACKENDS)
        np.testing.assert_allclose(one, two, rtol=1e-5)
        assert np.linalg.norm(fused.m - defined.m) <= 1e-5 * np.linalg.norm(defined.m)
        assert np.isfinite(np.concatenate(arrays(fused))).all()


def test_no_step_at_all() -> None:
    state, losses = steps(network(7, 2, 9, 1, 4, True), 0)
    assert losses.shape == (0,)
    assert state.step == 0
    np.testing.assert_array_equal(state.parameters, network(7, 2, 9, 1, 4, True).buffer)
