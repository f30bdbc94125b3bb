"""The likelihood against exact densities, the closed-form path of a Gaussian, and a density's own properties."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from checks.bars import shown
from checks.gaussians import gaussian, mixture

from numpy_diffusion.evaluation import likelihood
from numpy_diffusion.evaluation.likelihood import log_prob
from numpy_diffusion.kernels.backend import backend
from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.protocol import members
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.process.probability_flow import plan
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.loop import train

SCHEDULES = {name: getattr(Schedule, name)(1000) for name in ("linear", "cosine", "quadratic", "sigmoid")}
LINEAR = SCHEDULES["linear"]


def noised(data: GaussianMixture, schedule: Schedule) -> GaussianMixture:
    """The exact density of x_T."""
    alpha_bar, eye = schedule.alpha_bar[-1], np.eye(len(data.mean))
    covariances = alpha_bar * data.covariances + (1.0 - alpha_bar) * eye
    return GaussianMixture(data.weights, math.sqrt(alpha_bar) * data.means, covariances)


def exactly(data: GaussianMixture, schedule: Schedule, x: Any, **options: Any) -> np.ndarray:
    return log_prob(data.eps(schedule), schedule, x, prior=noised(data, schedule), **options)


def even(T: int) -> Schedule:
    """Steps of equal length in the angle phi, to 1.55 of pi / 2 = 1.57."""
    alpha_bar = np.cos(np.linspace(0.0, 1.55, T + 1)) ** 2
    return Schedule.from_beta(1.0 - alpha_bar[1:] / alpha_bar[:-1])


def network(dim: int, dtype: Any = np.float64, **options: Any) -> MLP:
    """An MLP none of whose weights is zero."""
    model = MLP(dim, 16, 1, seed=3, dtype=dtype, **options)
    model.buffer[:] = 0.3 * np.random.default_rng(4).normal(size=model.buffer.size)
    return model


@pytest.mark.parametrize("data", [mixture(1, 3, 2), gaussian(2, 3)], ids=repr)
def test_density_of_an_oracle_is_the_datas_at_a_thousand_points(data: GaussianMixture) -> None:
    """The bound asked for is 1e-6 nats; what is reached is a thousandth of it."""
    x = data.sample(1000, seed=1)
    np.testing.assert_allclose(exactly(data, LINEAR, x), data.log_density(x, 0, LINEAR), rtol=0, atol=5e-10)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_density_of_an_oracle_is_the_datas_on_every_schedule(name: str) -> None:
    """Also far from the data, and where the components stand apart: a deep valley lies between them."""
    data = GaussianMixture([0.3, 0.7], [[-1.5], [1.5]], [[[0.1]], [[0.2]]])
    x = np.linspace(-6.0, 6.0, 49)[:, None]
    found = exactly(data, SCHEDULES[name], x)
    np.testing.assert_allclose(found, data.log_density(x, 0, SCHEDULES[name]), rtol=0, atol=1e-7)


def test_the_standard_prior_is_off_by_what_the_chain_leaves_of_the_data() -> None:
    """The two differ by log N(x_T; 0, I) - log q(x_T), of the order of sqrt(alpha_bar_T) x_0."""
    data = Gaussian([1.0], [[0.5]])
    x = np.linspace(-0.5, 2.5, 7)[:, None]
    standard = log_prob(data.eps(LINEAR), LINEAR, x)
    xT = at_the_end(data, LINEAR, x)
    q_T = noised(data, LINEAR).log_density(xT, 0, LINEAR)
    expected = -0.5 * (xT[:, 0] ** 2 + math.log(2.0 * math.pi)) - q_T
    np.testing.assert_allclose(standard - data.log_density(x, 0, LINEAR), expected, atol=1e-9)
    assert 1e-3 < np.abs(expected).max() < 2e-2


def at_the_end(data: Gaussian, schedule: Schedule, x: np.ndarray) -> np.ndarray:
    """x_T of the flow in closed form: along each eigenvector a point keeps its number of standard deviations."""
    alpha_bar, values, vectors = schedule.alpha_bar[-1], data.eigenvalues[0], data.eigenvectors[0]
    ratio = np.sqrt((alpha_bar * values + 1.0 - alpha_bar) / values)
    return math.sqrt(alpha_bar) * data.mean + (x - data.mean) @ vectors * ratio @ vectors.T


def test_the_path_of_a_gaussian_ends_where_the_closed_form_says() -> None:
    data = gaussian(5, 3)
    x = 2.0 * np.random.default_rng(0).normal(size=(50, 3))
    nodes, bar = plan(LINEAR), SimpleNamespace(advance=lambda steps=1: None)
    xT, integral = likelihood._integrated(members(data.eps(LINEAR)), nodes, x, likelihood._basis(x.shape), bar)
    np.testing.assert_allclose(xT, at_the_end(data, LINEAR, x), rtol=0, atol=1e-9)
    total = LINEAR.alpha_bar[-1] * data.eigenvalues[0] + 1.0 - LINEAR.alpha_bar[-1]
    expected = 0.5 * np.log(total / data.eigenvalues[0]).sum()  # log |dx_T / dx_0|, the same for all points
    np.testing.assert_allclose(integral, expected, rtol=0, atol=1e-9)


def test_the_error_falls_with_the_fifth_power_of_the_step() -> None:
    data = GaussianMixture([0.3, 0.7], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    x = np.linspace(-3.0, 3.0, 20)[:, None]
    error = np.array(
        [np.abs(exactly(data, even(T), x) - data.log_density(x, 0, LINEAR)).max() for T in (40, 80, 160, 320)]
    )
    order = np.log2(error[:-1] / error[1:])
    assert (order > 4.8).all(), order
    assert order[-1] < 5.2, order  # from above: the first terms of the error's series have not died out before


def test_fewer_steps_are_those_of_the_schedule() -> None:
    """Every second step of a chain is the chain whose alpha_bar are those."""
    data, whole, half = mixture(3, 2, 1), even(200), even(100)
    x = data.sample(20, seed=2)
    expected = exactly(data, half, x)
    np.testing.assert_allclose(exactly(data, whole, x, steps=100), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(exactly(data, whole, x, steps=np.arange(200, 0, -2)), expected, rtol=0, atol=1e-12)
    assert np.abs(exactly(data, whole, x) - expected).max() > 1e-12


@pytest.mark.parametrize("T", range(1, 8))
def test_a_chain_of_few_steps_has_its_density_too(T: int) -> None:
    """Data N(0, I) stays where it is, v = 0, on any path."""
    data, schedule, x = Gaussian([0.0, 0.0], np.eye(2)), even(T), np.array([[0.5, -1.0], [2.0, 0.0]])
    found = log_prob(data.eps(schedule), schedule, x)
    np.testing.assert_allclose(found, -0.5 * (x**2).sum(1) - math.log(2.0 * math.pi), rtol=1e-12)


# The divergence ---------------------------------------------------------------------------------------------------


def test_the_probes_are_right_on_average() -> None:
    """A thousand copies of a point have probes of their own; five standard errors."""
    data, n = mixture(4, 2, 3), 1000
    x = data.sample(1, seed=3)
    exact = exactly(data, LINEAR, x, steps=100)
    for probes in (1, 3):
        found = exactly(data, LINEAR, np.repeat(x, n, axis=0), steps=100, probes=probes, seed=probes)
        assert found.std() > 1e-3  # or it would say nothing
        assert abs(found.mean() - exact[0]) < 5.0 * found.std() / math.sqrt(n)


def test_more_probes_estimate_better() -> None:
    """The variance of a mean of 8 is an eighth: that of 1,000 draws is known to sqrt(2 / 1000) and to its tails."""
    data, n = mixture(4, 2, 3), 1000
    x = np.repeat(data.sample(1, seed=3), n, axis=0)
    one, eight = (exactly(data, LINEAR, x, steps=50, probes=K).var() for K in (1, 8))
    assert one / eight == pytest.approx(8.0, rel=0.35)


def test_signs_as_probes_are_exact_where_the_jacobian_is_diagonal() -> None:
    data = Gaussian([1.0, -1.0, 0.0], np.diag([0.5, 2.0, 1.0]))
    x = data.sample(10, seed=4)
    np.testing.assert_allclose(
        exactly(data, LINEAR, x, steps=100, probes=2), exactly(data, LINEAR, x, steps=100), atol=1e-11
    )


def test_the_probes_follow_from_the_seed_and_the_sample() -> None:
    data, x = mixture(4, 2, 2), np.ones((5, 2))
    first, again, other = (exactly(data, LINEAR, x, steps=20, probes=1, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(exactly(data, LINEAR, x[:3], steps=20, probes=1, seed=1), first[:3])
    np.testing.assert_array_equal(exactly(data, LINEAR, x[2:], steps=20, probes=1, seed=1, first=2), first[2:])
    signs = likelihood._signs(0, np.arange(2000), 4, (3,)) * 2.0
    np.testing.assert_array_equal(np.abs(signs), 1.0)
    flat = signs.transpose(1, 0, 2).reshape(2000, 12)
    product = flat.T @ flat / 2000  # independent: five standard errors
    assert np.abs(product - np.eye(12)).max() < 5.0 / math.sqrt(2000)


# Networks ---------------------------------------------------------------------------------------------------------


def test_a_trained_network_is_a_density() -> None:
    """exp(log_prob) of a network trained on a mixture integrates to one and lies near the mixture's density."""
    data = GaussianMixture([0.4, 0.6], [[-1.0], [1.0]], [[[0.1]], [[0.3]]])
    model, schedule = MLP(1, 32, 1, seed=0), Schedule.linear(200)
    train(model, schedule, data.sample(4096, seed=0), steps=1500, batch=256, seed=0, progress=False, backend="numpy")
    line, dx = np.linspace(-6.0, 6.0, 241, retstep=True)
    density = np.exp(log_prob(model, schedule, line[:, None]))
    assert density.sum() * dx == pytest.approx(1.0, abs=0.01)
    truth = np.exp(data.log_density(line[:, None], 0, schedule))
    assert np.abs(density - truth).sum() * dx < 0.2  # of at most 2


def test_weights_of_float32_are_followed_in_float64() -> None:
    """What they give is what the same weights give in float64, and smooth to rounding."""
    single, double = network(2, np.float32), network(2)
    double.buffer[:] = single.buffer
    x = np.random.default_rng(1).normal(size=(4, 2))
    found = log_prob(single, LINEAR, x, steps=50)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, log_prob(double, LINEAR, x, steps=50))


def test_the_variances_head_has_no_part_in_it() -> None:
    model, plain = network(2, learn_variance=True), network(2)
    for name, values in plain.params.items():
        values[:] = model.params[name][: len(values)]
    x = np.random.default_rng(1).normal(size=(4, 2))
    np.testing.assert_allclose(log_prob(model, LINEAR, x, steps=50), log_prob(plain, LINEAR, x, steps=50), rtol=1e-12)


def test_other_units_change_the_density_by_their_scale() -> None:
    model, x = network(2), np.random.default_rng(1).normal(size=(4, 2))
    before = log_prob(model, LINEAR, x, steps=50)
    model.shift, model.scale = np.float32([1.0, -3.0]), np.float32([4.0, 0.5])
    after = log_prob(model, LINEAR, model.shift + model.scale * x, steps=50)
    np.testing.assert_allclose(after, before - math.log(4.0 * 0.5), rtol=0, atol=1e-12)
    model.shift, model.scale = 0.0, 2.0  # one number for all coordinates
    np.testing.assert_allclose(log_prob(model, LINEAR, 2.0 * x, steps=50), before - 2.0 * math.log(2.0), atol=1e-12)


def test_a_model_of_images_has_the_density_of_its_numbers() -> None:
    """x [N, 2, 3] seen by a model that works on six numbers, with and without probes."""
    data = gaussian(7, 6)
    flat = data.eps(LINEAR)

    def jvp(x: np.ndarray, t: int, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        eps, along = flat.jvp(x.reshape(-1, 6), t, tangent.reshape(-1, len(x), 6))
        return eps.reshape(x.shape), along.reshape(tangent.shape)

    x = data.sample(5, seed=1)
    for probes in (None, 2):
        found = log_prob(SimpleNamespace(jvp=jvp), LINEAR, x.reshape(5, 2, 3), steps=50, probes=probes)
        np.testing.assert_allclose(found, log_prob(flat, LINEAR, x, steps=50, probes=probes), rtol=1e-12)


@pytest.mark.parametrize("probes", [None, 1])
def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch, probes: int | None) -> None:
    data = mixture(4, 2, 2)
    x = data.sample(11, seed=1)
    whole = exactly(data, LINEAR, x, steps=20, probes=probes)
    monkeypatch.setattr(likelihood, "BLOCK", 6 * likelihood.WIDTH)
    np.testing.assert_array_equal(exactly(data, LINEAR, x, steps=20, probes=probes), whole)


def test_the_bar_counts_every_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "BLOCK", 3 * likelihood.WIDTH)
    data = gaussian(7, 1)
    x = data.sample(7, seed=0)
    assert "60/60" in shown(capsys, monkeypatch, lambda **bar: exactly(data, LINEAR, x, steps=20, **bar))


# Back instead of along ---------------------------------------------------------------------------------------------

IMAGES = dict(
    sample_size=4,
    in_channels=1,
    out_channels=1,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    attention_head_dim=2,
)


def unet() -> UNet:
    """With all weights drawn, the last convolution's too."""
    model = UNet(**IMAGES, seed=1)
    for number, values in enumerate(model.params.values()):
        if not values.any():
            values[:] = 0.1 * np.random.default_rng(number).normal(size=values.shape)
    return model


@pytest.mark.parametrize("probes", [None, 3])
def test_a_model_that_goes_back_has_the_same_density_as_one_that_goes_along(probes: int | None) -> None:
    model, x = network(3), np.random.default_rng(1).normal(size=(7, 3))
    with backend("numpy"):
        expected = log_prob(model, LINEAR, x, steps=20, probes=probes)
    found = log_prob(SimpleNamespace(vjp=model.vjp), LINEAR, x, steps=20, probes=probes)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_the_trace_of_a_unet_is_that_of_its_central_differences() -> None:
    """By unit vectors exactly, by probes on average: within five standard errors."""
    model, nodes = unet(), plan(LINEAR, 10)
    x = np.random.default_rng(2).normal(size=(1, 1, 4, 4))
    double = UNet(**IMAGES, dtype=np.float64)
    double.buffer[:] = model.buffer
    t, D, h = int(nodes.t[6]), 16, 1e-5
    basis = likelihood._basis(x.shape)
    ahead, behind = (double((x + s * h * basis)[:, 0], t) for s in (1.0, -1.0))
    exact = ((ahead - behind) / (2.0 * h)).reshape(D, D).trace() - D * nodes.tanh[6]
    _, div = likelihood._f(members(model), nodes, 6, x, basis)
    np.testing.assert_allclose(div, exact, rtol=1e-7)
    n = 400
    each = likelihood._f(
        members(model), nodes, 6, np.repeat(x, n, axis=0), likelihood._signs(0, np.arange(n), 1, (1, 4, 4))
    )[1]
    assert each.std() > 1e-3
    assert abs(each.mean() - exact) < 5.0 * each.std() / math.sqrt(n)


def test_probes_of_a_unet_follow_from_the_seed_and_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not from the blocks that the samples are taken in; guided by a label it has a density too."""
    x = np.random.default_rng(3).normal(size=(5, 1, 4, 4))
    whole = log_prob(unet(), LINEAR, x, steps=5, probes=2, seed=4)
    monkeypatch.setattr(likelihood, "KEPT", 2 * 16 * likelihood.LAYERS)
    np.testing.assert_allclose(log_prob(unet(), LINEAR, x, steps=5, probes=2, seed=4), whole, rtol=1e-11)
    assert (log_prob(unet(), LINEAR, x, steps=5, probes=2, seed=5) != whole).all()
    model: Any = UNet(**IMAGES, num_class_embeds=3, seed=1)
    model.buffer[:] = 0.2 * np.random.default_rng(6).normal(size=model.buffer.size)
    one, two = (log_prob(guided(model, label, 0.5), LINEAR, x, steps=5, probes=1) for label in (0, 1))
    assert (one != two).all()


@pytest.mark.parametrize("labels", [[2, 0, 1, 0], [2, 0, 1, 0, 1, 1]])
def test_labels_of_other_samples_are_refused(labels: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first block, and where there are more than samples."""
    monkeypatch.setattr(likelihood, "KEPT", 2 * 16 * likelihood.LAYERS)
    monkeypatch.setattr(likelihood, "_followed", None)
    x, model = (
        np.random.default_rng(3).normal(size=(5, 1, 4, 4)),
        guided(UNet(**IMAGES, num_class_embeds=3), labels, 0.0),
    )
    with pytest.raises(ValueError, match=rf"^labels: .* each of 5 samples, got {len(labels)}$"):
        log_prob(model, LINEAR, x, steps=5, probes=1)


# What is refused --------------------------------------------------------------------------------------------------

MODEL = gaussian(8, 2).eps(LINEAR)


def answering(eps: Any, along: Any) -> SimpleNamespace:
    return SimpleNamespace(jvp=lambda x, t, tangent: (eps, along))


def pulling(eps: Any, back: Any) -> SimpleNamespace:
    return SimpleNamespace(vjp=lambda x, t: (eps, lambda cotangent: back))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"model": lambda x, t: x}, r"model: expected one with a method jvp\(x, t, tangent\) .*, got function"),
        ({"model": None}, "model: expected one with a method jvp"),
        ({"model": answering(np.zeros((3, 1)), np.zeros((2, 3, 2)))}, r"model.jvp: eps at t = 1: expected shape"),
        ({"model": answering(np.zeros((3, 2)), np.zeros((3, 2)))}, r"model.jvp: J tangent at t = 1: expected shape"),
        ({"model": answering(np.full((3, 2), np.nan), np.zeros((2, 3, 2)))}, "model.jvp: eps at t = 1: expected fin"),
        ({"model": pulling(np.zeros((3, 1)), np.zeros((3, 2)))}, r"model.vjp: eps at t = 1: expected shape"),
        ({"model": pulling(np.zeros((3, 2)), np.zeros((3, 1)))}, r"model.vjp: J\^T tangent at t = 1: expected shape"),
        ({"model": SimpleNamespace(vjp=abs, predicts="x0")}, "model: expected one that predicts eps, got one that"),
        ({"schedule": "linear"}, "schedule: expected a Schedule, got"),
        ({"x": np.zeros((3, 3))}, "x: expected shape"),
        ({"x": np.zeros(2)}, "x: expected shape"),
        ({"x": np.full((3, 2), np.nan)}, "x: expected finite"),
        ({"prior": "normal"}, "prior: expected a GaussianMixture, got"),
        ({"prior": Gaussian([0.0], [[1.0]])}, r"prior: expected regular covariances of 2 numbers, .* got Gaussian"),
        ({"prior": Gaussian([0.0, 0.0], np.zeros((2, 2)))}, "prior: expected regular covariances"),
        ({"probes": 0}, "probes: expected an integer of at least 1, got 0"),
        ({"probes": 1.5}, "probes: expected an integer"),
        ({"seed": -1}, "seed: expected an integer"),
        ({"steps": 0}, "steps: expected an integer"),
        ({"steps": [1, 2]}, "steps: expected T = 1000 among them"),
    ],
)
def test_a_bad_argument_is_refused_in_a_sentence_that_names_it(arguments: dict[str, Any], complaint: str) -> None:
    call: dict[str, Any] = {"model": MODEL, "schedule": LINEAR, "x": np.zeros((3, 2)), **arguments}
    with pytest.raises(ValueError, match=f"^{complaint}"):
        log_prob(**call)


def test_a_model_may_work_in_place() -> None:
    def jvp(x: np.ndarray, t: int, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0.7 * x, 0.7 * tangent

    def in_place(x: np.ndarray, t: int, tangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x *= 0.7
        tangent *= 0.7
        return x, tangent

    x = np.array([[0.5, -1.0], [0.1, 2.0]])
    found, expected = (log_prob(SimpleNamespace(jvp=each), even(20), x) for each in (in_place, jvp))
    np.testing.assert_array_equal(found, expected)
