"""What a network predicts, turned into eps: against the angle between x_0 and eps, and through the samplers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, kernel

from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.predictions import (
    PREDICTIONS,
    Prediction,
    eps_from,
    eps_from_v,
    eps_from_x0,
    target,
    v_from_x0_and_eps,
)

LINEAR = SCHEDULES["linear 1000"]
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [1.0, 0.0]], [0.1 * np.eye(2), [[0.3, 0.1], [0.1, 0.2]]])


@EACH
def test_each_conversion_gives_back_the_noise_of_the_jump(schedule: Any) -> None:
    x0, eps = np.random.default_rng(1).normal(size=(2, 4, 3, 2))
    for t in {1, schedule.T // 2 or 1, schedule.T}:
        signal, variance = kernel(schedule, t)
        sigma = math.sqrt(variance)
        xt = signal * x0 + sigma * eps
        v = v_from_x0_and_eps(x0, eps, t, schedule)
        np.testing.assert_allclose(v, signal * eps - sigma * x0, rtol=0, atol=1e-12)
        np.testing.assert_allclose(eps_from_v(xt, v, t, schedule), eps, rtol=0, atol=1e-12)
        np.testing.assert_allclose(eps_from_x0(xt, x0, t, schedule), eps, rtol=0, atol=1e-11 / sigma)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_target_is_what_gives_back_the_noise(prediction: Prediction) -> None:
    x0, eps = np.random.default_rng(4).normal(size=(2, 3, 2))
    t = np.array([10, 500, 1000])
    signal, variance = (values[:, None] for values in kernel(LINEAR, t))
    xt = signal * x0 + np.sqrt(variance) * eps
    found = target(prediction, x0, eps, t, LINEAR)
    np.testing.assert_allclose(eps_from(prediction, xt, found, t, LINEAR), eps, rtol=0, atol=1e-10)


def test_a_step_for_each_sample_is_that_of_each_alone() -> None:
    first, second = np.random.default_rng(2).normal(size=(2, 4, 3)).astype(np.float32)
    t = np.array([1, 2, 700, 1000])
    for function in (eps_from_x0, eps_from_v, v_from_x0_and_eps):
        whole = function(first, second, t, LINEAR)
        assert whole.dtype == np.float32
        for n in range(4):
            np.testing.assert_array_equal(
                whole[n], function(first[n : n + 1], second[n : n + 1], int(t[n]), LINEAR)[0]
            )


X = np.zeros((3, 2))


@pytest.mark.parametrize("function", [eps_from_x0, eps_from_v, v_from_x0_and_eps])
def test_bad_arguments_are_refused_by_name(function: Any) -> None:
    for t in (0, 1001, 1.0, None, [1, 2]):
        with pytest.raises(ValueError, match=r"^t: expected .*, got "):
            function(X, X, t, LINEAR)
    with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
        function(X, X, 1, "linear")
    for bad in (np.zeros((1, 2)), np.full((3, 2), np.nan), "x", None):
        with pytest.raises(ValueError, match=r"^(xt|x0|v|eps): expected .*, got "):
            function(X, bad, 1, LINEAR)
        with pytest.raises(ValueError, match=r"^(xt|x0|v|eps): expected .*, got "):
            function(bad, X, 1, LINEAR)
