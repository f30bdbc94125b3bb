"""Up the chain: DDIM comes back, and an exact model's x_T is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.forms import check_forms

import numpy_diffusion as nd
from numpy_diffusion.sampling.inversion import invert
from numpy_diffusion.sampling.samplers import sample

SCHEDULE = nd.Schedule.linear(T=1000)
S = 0.3  # deviation of the data
X0 = np.random.default_rng(0).normal(size=(5, 2)) * S
QUIET: dict[str, Any] = dict(progress=False)


def model(x: np.ndarray, t: int) -> np.ndarray:
    """The eps of N(0, S^2)."""
    kept = SCHEDULE.alpha_bar[t]
    return np.float32(np.sqrt(1.0 - kept) / (1.0 - kept + kept * S**2)) * x


@pytest.mark.parametrize(("steps", "error"), [(1000, 1e-4), (100, 1e-3), (25, 0.02)])
def test_ddim_comes_back_by_the_same_steps(steps: int, error: float) -> None:
    xT = invert(model, SCHEDULE, X0, steps=steps, **QUIET)
    assert (xT.shape, xT.dtype) == (X0.shape, np.float32)
    found = nd.sample_from(model, SCHEDULE, xT, 1000, method="ddim", steps=steps, **QUIET)
    np.testing.assert_allclose(found, X0, rtol=0, atol=error)


def test_in_many_steps_it_is_the_ode() -> None:
    """Which keeps the quantile: of N(0, S^2) x_T = x_0 / S sqrt(1 - alpha_bar_T + alpha_bar_T S^2)."""
    xT = invert(model, SCHEDULE, X0, **QUIET)
    kept = SCHEDULE.alpha_bar[-1]
    np.testing.assert_allclose(xT, X0 / S * np.sqrt(1.0 - kept + kept * S**2), rtol=0.02)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_network_s_own_kernels_and_units(backend: Any) -> None:
    network = nd.MLP(2, 16, 1, seed=1)
    network.buffer[:] = 0.1 * np.random.default_rng(1).normal(size=network.buffer.size)
    network.shift[:], network.scale[:] = [2.0, -1.0], [0.5, 3.0]
    chain = dict(steps=50, backend=backend, **QUIET)
    x0 = sample(network, SCHEDULE, 20, method="ddim", **chain)
    xT = invert(network, SCHEDULE, x0, **chain)
    again = nd.sample_from(network, SCHEDULE, xT, 1000, method="ddim", **chain)
    np.testing.assert_allclose(again, x0, rtol=0, atol=1e-4 * x0.std())
    assert np.abs(xT - network.shift).mean() < 0.1 * np.abs(x0 - network.shift).mean()  # whose eps are small


def test_a_sample_is_its_own_and_the_chain_may_start_lower() -> None:
    whole = invert(model, SCHEDULE, X0, steps=[600, 200, 1], **QUIET)
    np.testing.assert_array_equal(invert(model, SCHEDULE, X0[3:], steps=[600, 200, 1], **QUIET), whole[3:])
    kept = SCHEDULE.alpha_bar[600]
    np.testing.assert_allclose(whole, X0 / S * np.sqrt(1.0 - kept + kept * S**2), rtol=0.5)
    one = invert(model, SCHEDULE, X0, steps=[600], **QUIET)
    assert np.isfinite(one).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, SCHEDULE, X0), "model: expected a callable"),
        ((model, None, X0), "schedule: expected a Schedule"),
        ((model, SCHEDULE, X0[0]), "x0: expected at least 2 axes"),
        ((model, SCHEDULE, np.full((1, 2), np.nan)), "x0: expected finite values"),
        ((nd.MLP(3, 8, 0), SCHEDULE, X0), r"x0: expected shape \[n, 3\], got \[5, 2\]"),
        ((lambda x, t: np.nan * x, SCHEDULE, X0), "model: eps at t = 1: expected finite values"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert(*arguments, **QUIET)
    with pytest.raises(ValueError, match="steps: expected"):
        invert(model, SCHEDULE, X0, steps=0, **QUIET)


def test_the_model_is_asked_in_the_form_that_is_asked_for() -> None:
    check_forms(lambda model, **options: invert(model, SCHEDULE, X0, steps=3, **options))
