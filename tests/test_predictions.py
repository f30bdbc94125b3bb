"""What a network predicts, turned into eps: against the angle between x_0 and eps, and through the samplers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from exact import SCHEDULES, kernel
from test_moments import run

from numpy_diffusion.networks.mlp import MLP
from numpy_diffusion.oracles import GaussianMixture
from numpy_diffusion.predictions import PREDICTIONS, as_eps, eps_from_v, eps_from_x0, v_from_x0_and_eps
from numpy_diffusion.reverse import x0_from_eps
from numpy_diffusion.samplers import sample
from numpy_diffusion.solvers import METHODS, coefficients

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


def predicting(prediction: str) -> Any:
    """The perfect network of the mixture that predicts this."""
    exact = MIXTURE.eps(LINEAR)

    def model(x: np.ndarray, t: Any) -> np.ndarray:
        eps = exact(x, t)
        if prediction == "eps":
            return eps
        x0 = x0_from_eps(x, eps, t, LINEAR)
        return x0 if prediction == "x0" else v_from_x0_and_eps(x0, eps, t, LINEAR)

    return model


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_every_sampler_takes_every_prediction(prediction: str) -> None:
    x, model = np.random.default_rng(3).normal(size=(5, 2)), as_eps(predicting(prediction), LINEAR, prediction)
    for method in METHODS:
        rows = coefficients(LINEAR, method, steps=20)
        np.testing.assert_allclose(run(rows, model, x), run(rows, MIXTURE.eps(LINEAR), x), rtol=0, atol=1e-9)
    samples = sample(model, LINEAR, 50, 4, shape=(2,), steps=20, method="heun")
    np.testing.assert_allclose(
        samples, sample(MIXTURE.eps(LINEAR), LINEAR, 50, 4, steps=20, method="heun"), atol=1e-3
    )


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_jacobian_goes_through(prediction: str) -> None:
    """Against central differences, of a made-up network with a Jacobian that is known: eps = sin(W x)."""
    W = np.random.default_rng(5).normal(size=(3, 3))

    class Network:
        def __call__(self, x: np.ndarray, t: Any) -> np.ndarray:
            return np.sin(x @ W.T)

        def jvp(self, x: np.ndarray, t: Any, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self(x, t), np.cos(x @ W.T) * (tangent @ W.T)

    model: Any = as_eps(Network(), LINEAR, prediction)
    x, tangent = np.random.default_rng(6).normal(size=(2, 4, 3))
    for t in (300, np.array([3, 90, 500, 1000])):
        eps, along = model.jvp(x, t, tangent)
        np.testing.assert_array_equal(eps, model(x, t))
        numeric = (model(x + 1e-6 * tangent, t) - model(x - 1e-6 * tangent, t)) / 2e-6
        np.testing.assert_allclose(along, numeric, rtol=1e-7, atol=1e-7 * np.abs(along).max())


def test_units_and_shape_go_through_and_what_is_not_there_does_not() -> None:
    network = MLP(2, 8, 1)
    network.shift[:], network.scale[:] = 3.0, 0.5
    model: Any = as_eps(network, LINEAR, "v")
    assert model.shape == (2,)
    x = sample(model, LINEAR, 20, 7, steps=5, method="ddim")
    plain = sample(lambda x, t: model(x, t), LINEAR, 20, 7, steps=5, method="ddim", shape=(2,))
    np.testing.assert_array_equal(x, network.shift + network.scale * plain)
    bare = as_eps(lambda x, t: x, LINEAR, "x0")
    assert not any(hasattr(bare, name) for name in ("shape", "shift", "scale", "jvp"))
    assert not hasattr(as_eps(SimpleNamespace, LINEAR, "v"), "jvp")


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


def test_as_eps_refuses_what_is_no_model_of_a_known_kind() -> None:
    with pytest.raises(ValueError, match=r"^model: expected a callable prediction = model\(x, t\), got int$"):
        as_eps(3, LINEAR, "v")
    with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
        as_eps(len, None, "v")
    with pytest.raises(ValueError, match=r"^prediction: expected one of 'eps', 'x0', 'v', got str 'score'$"):
        as_eps(len, LINEAR, "score")
    with pytest.raises(ValueError, match=r"^x0: expected shape \[3, 2\], got \[3, 1\]$"):
        as_eps(lambda x, t: x[:, :1], LINEAR, "x0")(X, 5)
