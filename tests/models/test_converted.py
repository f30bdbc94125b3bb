"""Models of eps made of others: through the samplers, with their units, Jacobians and learned variances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.chains import run
from checks.exact import SCHEDULES, kernel, posterior

from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.protocol import members
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal
from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.predictions import PREDICTIONS, v_from_x0_and_eps
from numpy_diffusion.process.reverse import mu_from_eps, x0_from_eps
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import METHODS, coefficients

LINEAR = SCHEDULES["linear 1000"]
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [1.0, 0.0]], [0.1 * np.eye(2), [[0.3, 0.1], [0.1, 0.2]]])


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


def wrapped(schedule: Schedule, x0: np.ndarray, limit: float | None) -> Any:
    """What says x_0 whatever it sees: or sees so much noise that it is clipped to x_0's signs."""
    if limit is None:
        return as_eps(lambda x, t: x0, schedule, "x0")
    return clipped(lambda x, t: x - np.sign(x0), schedule, -limit, limit)


@pytest.mark.parametrize("method", ["ancestral", "ddim", "euler", "dpm++2m", "dpm++3m"])
@pytest.mark.parametrize("limit", [None, 0.7])
def test_no_digit_of_x0_is_lost_where_hardly_any_signal_is_left(method: Any, limit: float | None) -> None:
    """From alpha_bar = 2e-9 in one step to 0.5: the rounding of a float32 eps would grow by 14,000."""
    schedule, x0 = Schedule.cosine(1000), np.random.default_rng(12).normal(size=(6, 2)).astype(np.float32)
    found = sample(
        wrapped(schedule, x0, limit),
        schedule,
        6,
        method=method,
        steps=[1000, 500],
        end=500,
        shape=(2,),
        variance="beta_tilde" if method == "ancestral" else "beta",
    )
    start, z = (normal(0, stream, np.arange(6), t, 2) for stream, t in ((STREAM_START, 0), (STREAM_REVERSE, 1000)))
    x0 = x0 if limit is None else limit * np.sign(x0)
    if method == "ancestral":
        mean, variance = posterior(schedule, x0, start, 1000, 500)
        expected = mean + math.sqrt(variance) * z
    else:
        (signal, variance), (left, whole) = kernel(schedule, 500), kernel(schedule, 1000)
        expected = signal * x0 + math.sqrt(variance / whole) * (start - left * x0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


class Waves:
    """A made-up network with a Jacobian that is known: sin(W x)."""

    W = np.random.default_rng(5).normal(size=(3, 3))

    def __call__(self, x: np.ndarray, t: Any) -> np.ndarray:
        return np.sin(x @ self.W.T)

    def jvp(self, x: np.ndarray, t: Any, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self(x, t), np.cos(x @ self.W.T) * (tangent @ self.W.T)


def check_jacobian(model: Any) -> None:
    """Against central differences."""
    x, tangent = np.random.default_rng(6).normal(size=(2, 4, 3))
    for t in (300, np.array([3, 90, 500, 1000])):
        eps, along = model.jvp(x, t, tangent)
        np.testing.assert_array_equal(eps, model(x, t))
        numeric = (model(x + 1e-6 * tangent, t) - model(x - 1e-6 * tangent, t)) / 2e-6
        np.testing.assert_allclose(along, numeric, rtol=1e-7, atol=1e-7 * np.abs(along).max())


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_jacobian_goes_through(prediction: str) -> None:
    check_jacobian(as_eps(Waves(), LINEAR, prediction))


def test_units_and_shape_go_through_and_what_is_not_there_does_not() -> None:
    network = MLP(2, 8, 1)
    network.shift[:], network.scale[:] = 3.0, 0.5
    model: Any = as_eps(network, LINEAR, "v")
    assert model.shape == (2,)
    x = sample(model, LINEAR, 20, 7, steps=5, method="ddim")
    plain = sample(lambda x, t: model(x, t), LINEAR, 20, 7, steps=5, method="ddim", shape=(2,))
    np.testing.assert_array_equal(x, network.shift + network.scale * plain)
    bare = as_eps(lambda x, t: x, LINEAR, "x0")
    known = members(bare)
    assert (known.own_shape, known.units.are_the_datas, known.jvp, known.nothing) == (None, True, None, None)


@EACH
def test_a_clipped_model_steps_as_if_x0_were_clipped(schedule: Any) -> None:
    """The mean of its step is that of q(x_s | x_t, x_0) at the clipped x_0, by Bayes' rule."""
    xt, eps = np.random.default_rng(8).normal(size=(2, 50, 3))
    for t in {1, schedule.T // 2 or 1, schedule.T}:
        signal, variance = kernel(schedule, t)
        x0 = (xt - math.sqrt(variance) * eps) / signal
        found = clipped(lambda x, t: eps, schedule, -0.9, 1.2)(xt, t)
        for s in {0, t // 2}:
            mean, _ = posterior(schedule, np.clip(x0, -0.9, 1.2), xt, t, s)
            np.testing.assert_allclose(mu_from_eps(xt, found, t, schedule, s), mean, rtol=0, atol=1e-8)


def test_what_is_in_the_range_stays_to_the_bit() -> None:
    x, t = np.random.default_rng(9).normal(size=(100, 2)).astype(np.float32), np.arange(1, 1001, 10)
    eps = MIXTURE.eps(LINEAR)(x, t).astype(np.float32)
    x0 = x0_from_eps(x, eps, t, LINEAR)
    found = clipped(lambda x, t: eps, LINEAR)(x, t)
    assert found.dtype == np.float32
    inside = np.abs(x0) <= 1.0
    assert 0.5 < inside.mean() < 0.98
    np.testing.assert_array_equal(found[inside], eps[inside])
    signed = (np.sign(x0) * (found - eps))[~inside]  # more noise seen where x_0 was too large
    assert (signed > 0.0).all()


def test_the_range_is_in_the_units_of_the_data() -> None:
    """A network that knows nothing of the range, shifted and scaled: its samples end in it."""
    network = MLP(2, 8, 1)
    network.shift[:], network.scale[:] = [3.0, -1.0], [0.5, 2.0]
    model: Any = clipped(network, LINEAR, 2.0, 2.5)
    assert model.shape == (2,)
    x = sample(model, LINEAR, 200, 7, steps=10)
    assert (np.abs(x.min(axis=0) - 2.0) < 1e-4).all()
    assert (np.abs(x.max(axis=0) - 2.5) < 1e-4).all()


def test_the_range_may_be_one_for_each_coordinate() -> None:
    """As it is where it is meant in the model's units."""
    network = MLP(2, 8, 1)
    network.shift[:], network.scale[:] = [3.0, -1.0], [0.5, 2.0]
    one: Any = clipped(network, LINEAR, network.shift - 0.2 * network.scale, network.shift + 0.2 * network.scale)
    own = network.copy()
    own.shift[:], own.scale[:] = 0.0, 1.0
    x = np.random.default_rng(13).normal(size=(20, 2)).astype(np.float32)
    np.testing.assert_allclose(one(x, 500), clipped(own, LINEAR, -0.2, 0.2)(x, 500), rtol=0, atol=1e-6)
    assert repr(one).endswith(", -1.4..2.9, -0.6..3.1)")
    with pytest.raises(ValueError, match=r"^low: expected numbers below high = 2, got 1\.\.2$"):
        clipped(network, LINEAR, [1.0, 2.0], 2.0)
    network.scale[1] = 0.0  # a constant
    kept: Any = clipped(network, LINEAR, network.shift - network.scale, network.shift + network.scale)
    assert np.isfinite(kept(x, 500)).all()


def test_the_clipped_jacobian_goes_through() -> None:
    check_jacobian(clipped(Waves(), LINEAR, -1.0, 0.7))


@pytest.mark.parametrize("wrap", [clipped, lambda model, schedule: as_eps(model, schedule, "v")])
def test_a_learned_variance_goes_through(wrap: Any) -> None:
    network = MLP(2, 8, 1, learn_variance=True)
    network.buffer[:] = np.random.default_rng(10).normal(size=network.buffer.size)
    model, x = wrap(network, LINEAR), np.random.default_rng(11).normal(size=(4, 2)).astype(np.float32)
    eps, fraction = model.eps_and_fraction(x, 700)
    np.testing.assert_array_equal(eps, model(x, 700))
    np.testing.assert_array_equal(fraction, network.eps_and_fraction(x, 700)[1])
    assert sample(model, LINEAR, 3, steps=4, variance="learned").shape == (3, 2)
    assert members(model).learn_variance
    assert not members(wrap(MLP(2, 8, 1), LINEAR)).learn_variance


X = np.zeros((3, 2))


def test_clipped_refuses_what_is_no_model_and_no_range() -> None:
    with pytest.raises(ValueError, match=r"^model: expected a callable eps = model\(x, t\), got int$"):
        clipped(3, LINEAR)
    with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
        clipped(len, None)  # type: ignore[arg-type]
    for low, high in ((1.0, -1.0), (1.0, 1.0)):
        with pytest.raises(ValueError, match=r"^low: expected a number below high = -?1, got 1$"):
            clipped(len, LINEAR, low, high)
    with pytest.raises(ValueError, match=r"^high: expected a finite number"):
        clipped(len, LINEAR, 0.0, math.inf)
    for t in (0, 1001):
        with pytest.raises(ValueError, match=r"^t: expected a step in 1\.\.1000"):
            clipped(lambda x, t: x, LINEAR)(X, t)
    with pytest.raises(ValueError, match=r"^eps: expected shape \[3, 2\], got \[3, 1\]$"):
        clipped(lambda x, t: x[:, :1], LINEAR)(X, 5)


def test_as_eps_refuses_what_is_no_model_of_a_known_kind() -> None:
    with pytest.raises(ValueError, match=r"^model: expected a callable prediction = model\(x, t\), got int$"):
        as_eps(3, LINEAR, "v")
    with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
        as_eps(len, None, "v")
    with pytest.raises(ValueError, match=r"^prediction: expected one of 'eps', 'x0', 'v', got str 'score'$"):
        as_eps(len, LINEAR, "score")
    with pytest.raises(ValueError, match=r"^x0: expected shape \[3, 2\], got \[3, 1\]$"):
        as_eps(lambda x, t: x[:, :1], LINEAR, "x0")(X, 5)
