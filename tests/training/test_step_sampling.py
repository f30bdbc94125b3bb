"""Steps drawn by the history of their losses: the history, the probabilities, and no bias."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.training import step_sampling
from numpy_diffusion.training.step_sampling import MEMORY


@settings(deadline=None, max_examples=60)
@given(batches=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=40), min_size=1, max_size=6))
def test_the_history_is_the_last_ten_losses_of_each_step(batches: list[list[int]]) -> None:
    history, seen, loss = step_sampling.start(T=4), {t: [] for t in range(1, 5)}, 0.0
    for batch in batches:
        losses = np.arange(loss + 1.0, loss + len(batch) + 1.0)
        history = step_sampling.remembered(history, np.array(batch), losses)
        for t, value in zip(batch, losses, strict=True):
            seen[t].append(value)
        loss += len(batch)
    for t, values in seen.items():
        assert sorted(history[t, : min(len(values), MEMORY)]) == values[-MEMORY:]
        assert history[t, MEMORY] == (len(values) if len(values) < MEMORY else MEMORY + len(values) % MEMORY)
    assert not history[0].any()


def full(T: int, seed: int) -> np.ndarray:
    history = step_sampling.start(T)
    history[1:, :MEMORY] = np.random.default_rng(seed).lognormal(sigma=2.0, size=(T, MEMORY))
    history[1:, MEMORY] = MEMORY
    return history


@settings(deadline=None, max_examples=60)
@given(T=st.integers(1, 300), seed=st.integers(0, 1000))
def test_steps_are_drawn_in_proportion_to_the_root_of_their_mean_square(T: int, seed: int) -> None:
    """To the rounding of a table of some 64 T entries, in which no step is missing."""
    history = full(T, seed)
    table, _ = step_sampling.by_history(history)
    root = np.sqrt((history[1:, :MEMORY] ** 2).mean(axis=1))
    counts = np.bincount(table, minlength=T + 1)[1:]
    assert counts.min() >= 1
    assert (np.abs(counts - 63 * T * root / root.sum()) <= 1.0 + 1e-4 * counts).all()


@settings(deadline=None, max_examples=60)
@given(T=st.integers(1, 300), seed=st.integers(0, 1000))
def test_the_expected_loss_is_that_of_uniform_steps(T: int, seed: int) -> None:
    table, factors = step_sampling.by_history(full(T, seed))
    losses = np.random.default_rng(seed).random(T + 1)
    np.testing.assert_allclose((factors * losses)[table].mean(), losses[1:].mean(), rtol=1e-12)


def test_the_noise_is_less_where_losses_differ() -> None:
    history = full(100, 0)
    losses = np.sqrt((history[:, :MEMORY] ** 2).mean(axis=1))
    table, factors = step_sampling.by_history(history)
    assert (factors * losses)[table].std() < 0.2 * losses[1:].std()


def test_until_every_step_has_ten_losses_all_are_drawn_alike() -> None:
    history = full(20, 1)
    history[7, MEMORY] = MEMORY - 1
    table, factors = step_sampling.by_history(history)
    np.testing.assert_array_equal(table, np.arange(1, 21))
    np.testing.assert_array_equal(factors, 1.0)
    history[7, MEMORY] = MEMORY
    assert len(step_sampling.by_history(history)[0]) > 20


def test_losses_that_are_all_zero_are_no_reason_to_prefer_any_step() -> None:
    history = full(5, 2)
    history[:, :MEMORY] = 0.0
    np.testing.assert_array_equal(step_sampling.by_history(history)[0], np.arange(1, 6))
