"""The sampler step by step: the very x_t of `sample`, handed out one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numpy_diffusion.kernels.backend import BACKENDS, Backend, chosen
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample, sample_steps
from numpy_diffusion.sampling.solvers import coefficients

SCHEDULE = Schedule.linear(T=20)
OPTIONS: dict[str, dict[str, Any]] = {
    "Algorithm 1": {},
    "of five steps": dict(steps=5),
    "with trial points": dict(method="heun", steps=6),
    "with churn": dict(method="heun", churn=2.0, steps=6),
    "by three predictions": dict(method="dpm++3m", steps=7),
}


def network(learn_variance: bool = False) -> MLP:
    model = MLP(dim=2, width=8, depth=1, learn_variance=learn_variance, seed=1)
    model.buffer[:] = np.random.default_rng(0).normal(0.0, 0.3, model.buffer.size)
    model.shift, model.scale = np.array([5.0, -1.0], np.float32), np.array([3.0, 0.5], np.float32)
    return model


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", OPTIONS)
def test_the_steps_are_those_of_sample(name: str, backend: Backend) -> None:
    options = OPTIONS[name] | dict(first=3, backend=backend)
    chain = coefficients(SCHEDULE, **OPTIONS[name])
    arrived = list(sample_steps(network(), SCHEDULE, 4, 7, **options))
    assert [t for t, _ in arrived] == chain.s[chain.accept].tolist()
    kept = sample(network(), SCHEDULE, 4, 7, **options, keep=[t for t, _ in arrived])
    for t, x in arrived:
        np.testing.assert_array_equal(x, kept[t])
        assert x.dtype == np.float32


def test_a_variance_that_the_network_says_on_the_way() -> None:
    model = network(learn_variance=True)
    model.buffer *= np.float32(0.02)
    *_, (t, x) = sample_steps(model, SCHEDULE, 4, 7, variance="learned")
    assert t == 0
    np.testing.assert_array_equal(x, sample(model, SCHEDULE, 4, 7, variance="learned"))


def test_what_is_handed_out_is_the_reader_s_own() -> None:
    """Whoever writes into an x_t changes nothing of what follows."""
    *_, (_, x) = ((t, x.fill(7.0) or x) if t else (t, x) for t, x in sample_steps(network(), SCHEDULE, 4, 7))
    np.testing.assert_array_equal(x, sample(network(), SCHEDULE, 4, 7))


def test_the_backend_is_for_the_steps_and_not_for_the_reader() -> None:
    seen = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        seen.append(chosen())
        return x

    outside = [chosen() for _ in sample_steps(model, SCHEDULE, 2, shape=(2,), backend="numpy")]
    assert seen == ["numpy"] * 20
    assert outside == ["numba"] * 20


def test_a_bad_argument_is_told_at_the_call() -> None:
    with pytest.raises(ValueError, match=r"^n: expected an integer"):
        sample_steps(network(), SCHEDULE, 0)
    with pytest.raises(ValueError, match=r"^model: eps at t = 20: expected finite values"):
        next(sample_steps(lambda x, t: x * np.inf, SCHEDULE, 3, shape=(2,)))
