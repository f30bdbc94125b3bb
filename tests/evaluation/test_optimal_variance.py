"""The estimate of the optimal variance against the closed form on Gaussian data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.bars import shown
from checks.exact import SCHEDULES
from checks.gaussians import gaussian
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.evaluation.optimal_variance import optimal_variance
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.oracles import moments

LINEAR = SCHEDULES["linear 10"]


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
    model.buffer[:] = 0.5 * np.random.default_rng(2).normal(size=model.buffer.size)  # a new network answers 0 to all
    before = optimal_variance(model, LINEAR, data)
    model.shift, model.scale = np.array([5.0, -1.0], np.float32), np.array([4.0, 0.5], np.float32)
    np.testing.assert_allclose(optimal_variance(model, LINEAR, data * model.scale + model.shift), before, rtol=1e-5)


def test_the_bar_counts_every_step_of_the_chain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = gaussian(3, 2)
    model, x0 = data.eps(LINEAR), data.sample(5, 0)
    assert "3/3" in shown(capsys, monkeypatch, lambda **bar: optimal_variance(model, LINEAR, x0, steps=3, **bar))
