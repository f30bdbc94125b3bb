"""Classifier-free guidance: against the formula, and against the density that it stands for, where that is known."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from checks.chains import marginal
from checks.exact import SCHEDULES, assert_gaussian_moments

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.protocol import members
from numpy_diffusion.models.wrapper import rows
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.process.predictions import v_from_x0_and_eps
from numpy_diffusion.process.reverse import x0_from_eps
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample

LINEAR, SHORT = SCHEDULES["linear 1000"], SCHEDULES["cosine 10"]
CLASSES = [
    Gaussian([-2.0, 0.0], [[0.5, 0.2], [0.2, 0.3]]),
    Gaussian([1.0, 1.0], [[0.2, 0.0], [0.0, 0.2]]),
    Gaussian([1.0, -2.0], [[0.4, -0.3], [-0.3, 0.6]]),
]
WEIGHTS = np.array([0.5, 0.3, 0.2])
ALL = GaussianMixture(WEIGHTS, [one.mean for one in CLASSES], [one.covariance for one in CLASSES])
NONE = len(CLASSES)
X = np.random.default_rng(0).normal(size=(6, 2)) * 2.0
LABELS = np.array([0, 1, 2, 2, 0, 1])


class Network:
    """The perfect network of classes, and of all data for the label behind them; it remembers how it was called."""

    shape = (2,)

    def __init__(self, schedule: Schedule, classes: list[Any] = CLASSES, everything: Any = ALL) -> None:
        self.null_label = len(classes)
        self.answers = [one.eps(schedule) for one in (*classes, everything)]
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, x: np.ndarray, t: Any, labels: Any) -> np.ndarray:
        self.calls.append((len(x), np.shape(t), labels.tolist()))
        eps, t = np.full_like(x, np.nan), np.broadcast_to(t, len(x))
        for label, answer in enumerate(self.answers):
            if (own := labels == label).any():
                eps[own] = answer(x[own], t[own])
        return eps


def densities(x: np.ndarray, t: int, schedule: Schedule) -> np.ndarray:
    """q(x_t | c) of each class, from the mean and covariance of the class at t: [classes, N]."""
    values = []
    for one in CLASSES:
        mean, covariance = marginal(one, schedule, t)
        offset = x - mean
        distance = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset)
        values.append(np.exp(-0.5 * distance) / np.sqrt(np.linalg.det(2.0 * math.pi * covariance)))
    return np.array(values)


# --- the formula -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [-1.0, -0.5, 0.0, 0.5, 3.0])
@pytest.mark.parametrize("t", [1, 3, 10])
def test_eps_is_the_printed_mixture_of_the_exact_ones(scale: float, t: int) -> None:
    """eps = -sqrt(1 - alpha_bar) score; that of the mixture is the mean of the classes', by their posteriors."""
    moments = [marginal(one, SHORT, t) for one in CLASSES]
    scores = np.array([(mean - X) @ np.linalg.inv(covariance) for mean, covariance in moments])
    posterior = WEIGHTS[:, None] * densities(X, t, SHORT)
    posterior /= posterior.sum(axis=0)
    mixed = (posterior[:, :, None] * scores).sum(axis=0)
    score = (1.0 + scale) * scores[LABELS, np.arange(6)] - scale * mixed
    found = guided(Network(SHORT), LABELS, scale)(X, t)
    np.testing.assert_allclose(found, -math.sqrt(1.0 - SHORT.alpha_bar[t]) * score, rtol=0, atol=1e-11)


@pytest.mark.parametrize("scale", [0.0, 0.7, 4.0])
@pytest.mark.parametrize("t", [1, 10, 300, 1000])
def test_eps_is_that_of_the_sharpened_density(scale: float, t: int) -> None:
    """p(x|c)^(1 + w) / p(x)^w of two Gaussians, the class the narrower; log-densities by differences."""
    one, everything = CLASSES[0], Gaussian([0.0, 0.5], [[3.0, 0.5], [0.5, 2.0]])
    (mean, covariance), (mean_all, covariance_all) = (marginal(data, LINEAR, t) for data in (one, everything))
    precision = (1.0 + scale) * np.linalg.inv(covariance) - scale * np.linalg.inv(covariance_all)
    assert np.linalg.eigvalsh(precision).min() > 0.0  # it is a Gaussian
    pulled = (1.0 + scale) * np.linalg.solve(covariance, mean) - scale * np.linalg.solve(covariance_all, mean_all)
    score = (np.linalg.solve(precision, pulled) - X) @ precision
    eps = guided(Network(LINEAR, [one], everything), 0, scale)(X, t)
    np.testing.assert_allclose(eps, -math.sqrt(1.0 - LINEAR.alpha_bar[t]) * score, rtol=1e-9, atol=1e-9)
    for axis in np.eye(2):
        ahead, behind = (
            (1.0 + scale) * one.log_density(x, t, LINEAR) - scale * everything.log_density(x, t, LINEAR)
            for x in (X + 1e-5 * axis, X - 1e-5 * axis)
        )
        np.testing.assert_allclose((ahead - behind) / 2e-5, score @ axis, rtol=0, atol=1e-6 * np.abs(score).max())


def test_a_scale_of_minus_1_is_no_class_and_of_0_the_class() -> None:
    network = Network(SHORT)
    np.testing.assert_array_equal(guided(network, LABELS, -1.0)(X, 5), ALL.eps(SHORT)(X, 5))
    np.testing.assert_array_equal(guided(network, 2, 0.0)(X, 5), CLASSES[2].eps(SHORT)(X, 5))


# --- the call --------------------------------------------------------------------------------------------------


def test_both_answers_come_from_one_call() -> None:
    network = Network(SHORT)
    guided(network, LABELS, 1.0)(X, 5)
    guided(network, LABELS, 0.0)(X, 5)
    guided(network, 1, 1.0, null=2)(X[:2], np.array([3, 4]))
    assert network.calls == [
        (12, (), [*LABELS, *[NONE] * 6]),
        (6, (), [*LABELS]),
        (4, (4,), [1, 1, 2, 2]),
    ]


def test_a_step_for_each_sample_is_that_of_each_alone() -> None:
    model, t = guided(Network(SHORT), LABELS, 2.0), np.array([1, 9, 10, 4, 4, 2])
    whole = model(X, t)
    for i in range(6):
        alone = guided(Network(SHORT), [LABELS[i]], 2.0)
        np.testing.assert_array_equal(alone(X[i : i + 1], int(t[i])), whole[i : i + 1])


def test_float32_stays_float32() -> None:
    for scale in (0.0, 1.5, np.float64(1.5)):
        assert guided(Network(SHORT), 0, scale)(X.astype(np.float32), 5).dtype == np.float32


def test_a_network_of_another_prediction_is_guided_before_it_is_turned_into_eps() -> None:
    exact = Network(SHORT)

    def predicting_v(x: np.ndarray, t: Any, labels: np.ndarray) -> np.ndarray:
        eps = exact(x, t, labels)
        return v_from_x0_and_eps(x0_from_eps(x, eps, t, SHORT), eps, t, SHORT)

    model = as_eps(guided(predicting_v, LABELS, 1.5, null=NONE), SHORT, "v")
    np.testing.assert_allclose(model(X, 7), guided(exact, LABELS, 1.5)(X, 7), rtol=0, atol=1e-12)


def test_what_the_model_has_is_carried() -> None:
    plain = guided(lambda x, t, labels: x, 0, 1.0, null=1)
    known = members(plain)
    assert (known.own_shape, known.units.are_the_datas, known.learn_variance, known.nothing) == (
        None,
        True,
        False,
        None,
    )
    units = SimpleNamespace(shape=(2,), shift=np.ones(2), scale=np.full(2, 3.0), null_label=1)
    network = type("Units", (), vars(units) | {"__call__": lambda self, x, t, labels: x})()
    for model in (guided(network, 0, 1.0), clipped(guided(network, 0, 1.0), SHORT)):
        assert model.shape == (2,)
        assert model.shift is network.shift
        assert model.scale is network.scale


def test_a_learned_variance_is_that_of_the_class() -> None:
    class TwoHeaded(Network):
        learn_variance = True

        def eps_and_fraction(self, x: np.ndarray, t: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
            return self(x, t, labels), np.tile(0.1 * labels[:, None], (1, 2))

    for scale in (0.0, 2.0):
        model = guided(TwoHeaded(SHORT), LABELS, scale)
        eps, fraction = model.eps_and_fraction(X, 4)
        np.testing.assert_array_equal(eps, model(X, 4))
        np.testing.assert_array_equal(fraction, np.tile(0.1 * LABELS[:, None], (1, 2)))
        assert sample(model, SHORT, 6, variance="learned").shape == (6, 2)


# --- samples ---------------------------------------------------------------------------------------------------


def test_samples_follow_their_labels() -> None:
    labels = np.repeat(np.arange(3), 4000)
    x = sample(guided(Network(LINEAR), labels, 0.0), LINEAR, 12_000, 3, method="dpm++3m", steps=40)
    for label, one in enumerate(CLASSES):  # what 40 steps leave is far below five standard errors of 4000 draws
        assert_gaussian_moments(x[labels == label], one.mean, one.covariance)


def test_guidance_takes_a_class_away_from_the_others() -> None:
    labels = np.repeat(np.arange(3), 500)
    share = []
    for scale in (-1.0, 0.0, 1.0, 3.0):
        x = sample(guided(Network(LINEAR), labels, scale), LINEAR, 1500, 3, method="ddim", steps=50)
        posterior = WEIGHTS[:, None] * densities(x.astype(np.float64), 1, LINEAR)
        share.append((posterior[labels, np.arange(1500)] / posterior.sum(axis=0)).mean())
    assert share == sorted(share)
    assert share[0] < 0.5 < 0.99 < share[-1]


def test_labels_follow_the_rows_and_a_slice_of_them_the_first() -> None:
    labels = np.arange(12) % 3
    whole = sample(guided(Network(SHORT), labels, 1.0), SHORT, 12, 4)
    part = sample(guided(Network(SHORT), labels[5:9], 1.0), SHORT, 4, 4, first=5)
    np.testing.assert_array_equal(part, whole[5:9])


def test_rows_are_those_of_some_of_the_samples() -> None:
    """And a model that is told nothing of each, or the same, is itself."""

    def network(x: np.ndarray, t: Any, labels: np.ndarray) -> np.ndarray:
        return np.zeros(x.shape) + labels[:, None]

    schedule, x = Schedule.linear(T=10), np.zeros((2, 1))
    each = guided(network, [5, 6, 7, 8], 0.5, null=Condition(labels=[1, 2, 3, 4]))
    for model in (each, clipped(as_eps(each, schedule, "eps"), schedule, -100.0, 100.0)):
        np.testing.assert_allclose(rows(model, slice(1, 3))(x, 5), [[1.5 * 6 - 1.0], [1.5 * 7 - 1.5]])
    for_all = guided(network, 5, 0.5, null=9)
    np.testing.assert_array_equal(rows(for_all, slice(1, 3))(x, 5), for_all(x, 5))
    assert rows(network, slice(1, 3)) is network


def test_a_unet_is_guided() -> None:
    options = dict(in_channels=1, out_channels=1, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1)
    blocks = dict(down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, num_class_embeds=4)
    model = UNet(sample_size=8, **options, **blocks)
    model.buffer[:] += np.random.default_rng(5).normal(scale=0.1, size=model.buffer.size).astype(np.float32)
    x, labels = np.random.default_rng(6).normal(size=(3, 1, 8, 8)).astype(np.float32), np.array([0, 2, 1])
    expected = 3.0 * model(x, 500, labels) - 2.0 * model(x, 500, model.null_label)
    found = guided(model, labels, 2.0)
    np.testing.assert_allclose(found(x, 500), expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert np.abs(expected - model(x, 500, labels)).max() > 0.01 * np.abs(expected).max()
    assert sample(clipped(found, SHORT), SHORT, 3).shape == (3, 1, 8, 8)


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("model", value) for value in (None, 3, "unet")],
        *[("labels", value) for value in (None, 1.5, -1, [0, -1], [[0], [1]], [], "7", [0, math.nan], True)],
        *[("scale", value) for value in (-1.5, 1e7, math.nan, math.inf, "3", None, True)],
        *[("null", value) for value in (-1, 1.5, "none", True)],
    ],
    ids=str,
)
def test_bad_arguments_are_refused_by_name(name: str, value: Any) -> None:
    arguments: dict[str, Any] = dict(model=Network(SHORT), labels=0, scale=1.0) | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        guided(**arguments)


def test_labels_of_another_number_than_the_samples_are_refused() -> None:
    for scale in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"^labels: expected an integer, or one for each of 5 samples, got 6$"):
            guided(Network(SHORT), LABELS, scale)(X[:5], 3)


def test_a_null_of_another_shape_is_refused_where_it_is_needed() -> None:
    told, null = Condition(tokens=[1, 2, 3]), Condition(tokens=[0, 0])
    with pytest.raises(ValueError, match=r"^tokens: expected values of one shape, got \[3\] and \[2\]$"):
        guided(lambda x, t, tokens: x, told, 1.0, null)
    guided(lambda x, t, tokens: x, told, 0.0, null)


def test_a_missing_null_is_refused_where_it_is_needed() -> None:
    for model in (lambda x, t, labels: x, WithoutClasses()):
        with pytest.raises(ValueError, match=r"^null: expected the label of no class, since the model has no"):
            guided(model, 0, 1.0)
        guided(model, 0, 0.0)


class WithoutClasses:
    """A network without classes says None, as `UNet.null_label` does."""

    null_label = None

    def __call__(self, x: np.ndarray, t: Any, labels: Any) -> np.ndarray:
        return x
