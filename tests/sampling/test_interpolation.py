"""From one sample to another: what a Gaussian's oracle makes of it is affine, and so known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.bars import at_once
from checks.chains import affine, large, small
from checks.exact import SCHEDULES, assert_gaussian_moments
from checks.forms import check_forms

from numpy_diffusion.models.guided import guided
from numpy_diffusion.models.protocol import described
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.noise import STREAM_INTERPOLATE, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.oracles.moments import chain_moments
from numpy_diffusion.sampling.chain import run
from numpy_diffusion.sampling.interpolation import interpolate
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import coefficients

LINEAR, SHORT = SCHEDULES["linear 1000"], SCHEDULES["cosine 10"]
DATA = Gaussian([1.0, -2.0], [[1.0, 0.6], [0.6, 0.5]])
A, B = np.array([0.3, -3.0]), np.array([2.0, -1.0])
FRACTIONS = np.array([0.0, 0.25, 0.6, 1.0])
MIXTURE = GaussianMixture([0.4, 0.6], [[-2.0, 0.0], [1.0, 1.0]], [0.1 * np.eye(2), 0.3 * np.eye(2)])


def noised(x0: np.ndarray, t: int, seed: int) -> np.ndarray:
    """x_t of x_0, with the noise that all share."""
    eps = normal(seed, STREAM_INTERPOLATE, 0, t, 2)[0]
    return math.sqrt(LINEAR.alpha_bar[t]) * x0 + math.sqrt(1.0 - LINEAR.alpha_bar[t]) * eps


# --- what comes out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [1, 30, 400, 1000])
def test_ddim_takes_the_mixed_images_down_by_the_printed_map(t: int) -> None:
    """Step by step as printed, from the two x_t mixed; a chain without noise, so a mean without covariance."""
    times = list(range(t, 0, -7))
    rows = affine(LINEAR, times, lambda t, s: 0.0, ddim=True)
    found = interpolate(DATA.eps(LINEAR), LINEAR, A, B, FRACTIONS, t, 3, method="ddim", steps=times)
    for fraction, x in zip(FRACTIONS, found, strict=True):
        xt = (1.0 - fraction) * noised(A, t, 3) + fraction * noised(B, t, 3)
        means, covariances = chain_moments(DATA, LINEAR, rows, xt, np.zeros((2, 2)))
        np.testing.assert_allclose(x, means[-1], rtol=0, atol=1e-4)
        assert not covariances.any()


@pytest.mark.parametrize("method", ["euler", "heun", "dpm++2m", "dpm++3m"])
def test_every_solver_starts_afresh_at_t(method: str) -> None:
    """The exact ODE scales each coordinate along the covariance's axes by its deviation at 0 over that at t."""
    t, values, vectors = 500, *np.linalg.eigh(DATA.covariance)
    found = interpolate(DATA.eps(LINEAR), LINEAR, A, B, FRACTIONS, t, 4, method=method)
    alpha_bar = LINEAR.alpha_bar[t]
    ratio = np.sqrt(values / (alpha_bar * values + 1.0 - alpha_bar))
    for fraction, x in zip(FRACTIONS, found, strict=True):
        xt = (1.0 - fraction) * noised(A, t, 4) + fraction * noised(B, t, 4)
        exact = DATA.mean + vectors @ (ratio * (vectors.T @ (xt - math.sqrt(alpha_bar) * DATA.mean)))
        np.testing.assert_allclose(x, exact, rtol=0, atol=5e-3)


@pytest.mark.parametrize("kind", ["beta", "ddim 1", "array"])
def test_over_seeds_samples_have_the_moments_of_the_chain_from_x_t(kind: str) -> None:
    t, fraction, model = 6, 0.3, DATA.eps(SHORT)
    option: dict[str, Any] = dict(method="ddim", eta=1.0) if kind == "ddim 1" else dict(variance=kind)
    if kind == "array":
        option = dict(variance=SHORT.beta_tilde)
    x = np.concatenate([interpolate(model, SHORT, A, B, [fraction], t, seed, **option) for seed in range(800)])
    rows = affine(SHORT, list(range(t, 0, -1)), (large if kind == "beta" else small)(SHORT), ddim=kind == "ddim 1")
    left = 1.0 - SHORT.alpha_bar[t]
    start = math.sqrt(1.0 - left) * ((1.0 - fraction) * A + fraction * B)
    means, covariances = chain_moments(DATA, SHORT, rows, start, left * np.eye(2))
    assert_gaussian_moments(x, means[-1], covariances[-1])


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_all_fractions_share_the_noise_of_the_way_down(variance: str) -> None:
    """The map is affine, and of one noise: what lies between is the line between the ends."""
    found = interpolate(DATA.eps(LINEAR), LINEAR, A, B, FRACTIONS, 700, 5, variance=variance).astype(np.float64)
    line = found[0] + FRACTIONS[:, None] * (found[-1] - found[0])
    np.testing.assert_allclose(found, line, rtol=0, atol=1e-5)
    assert np.abs(found[-1] - found[0]).min() > 0.001


def test_more_noise_keeps_less_of_the_ends() -> None:
    def kept(t: int) -> float:
        return float(np.abs(interpolate(MIXTURE.eps(LINEAR), LINEAR, A, B, [0.0], t, 6, steps=t // 10) - A).max())

    assert kept(10) < 0.5 < 1.0 < kept(1000)
    ends = interpolate(MIXTURE.eps(LINEAR), LINEAR, A, B, [0.0, 1.0], 1000, 6)
    assert np.abs(ends[0] - ends[1]).max() < 0.1  # sqrt(alpha_bar_T) = 0.006 is left of them


# --- bits ------------------------------------------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "beta": {},
    "ddim": dict(method="ddim"),
    "ddim 0.5": dict(method="ddim", eta=0.5),
    "heun 4": dict(method="heun", churn=4.0),
    "dpm++3m": dict(method="dpm++3m"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", [MIXTURE.eps(LINEAR), MLP(2, 8, 1)])
def test_the_ends_are_what_the_chain_makes_of_a_and_b_alone(model: Any, kind: str) -> None:
    options: Any = dict(t=400, seed=7, steps=20) | KINDS[kind]
    whole = interpolate(model, LINEAR, A, B, FRACTIONS, **options)
    for i, fraction in enumerate(FRACTIONS):
        np.testing.assert_array_equal(interpolate(model, LINEAR, A, B, [fraction], **options)[0], whole[i])
    np.testing.assert_array_equal(interpolate(model, LINEAR, A, A, [0.0], **options)[0], whole[0])
    np.testing.assert_array_equal(interpolate(model, LINEAR, B, B, [1.0], **options)[0], whole[-1])
    back = interpolate(model, LINEAR, B, A, FRACTIONS[::-1], **options)
    np.testing.assert_array_equal(back[[0, -1]], whole[[0, -1]])
    assert (interpolate(model, LINEAR, A, B, [0.5], **options | {"seed": 8}) != whole).all()


def test_an_array_of_variances_counts_from_t_on_down() -> None:
    values = np.random.default_rng(9).uniform(0.0, 0.1, (11, 2))
    model = DATA.eps(SHORT)
    found = interpolate(model, SHORT, A, B, [0.5], 4, variance=values)
    chain = coefficients(SHORT, variance=values)
    low = type(chain)(*(column[6:] for column in chain))  # rows of t = 4, 3, 2, 1
    assert low.t.tolist() == [4, 3, 2, 1]
    xt = 0.5 * (A + B) * math.sqrt(SHORT.alpha_bar[4])
    xt = xt + math.sqrt(1.0 - SHORT.alpha_bar[4]) * normal(0, STREAM_INTERPOLATE, 0, 4, 2)
    np.testing.assert_array_equal(found, run(described(model), xt.astype(np.float32), low, SHORT, 0)[0])


def test_a_network_that_learns_its_variance_says_it_here() -> None:
    model = MLP(2, 16, 1, learn_variance=True)
    model.buffer[:] = np.random.default_rng(10).normal(scale=0.2, size=model.buffer.size)
    found = [interpolate(model, SHORT, A, B, FRACTIONS, 6, variance=name) for name in ("learned", "beta")]
    assert np.isfinite(found[0]).all()
    assert np.abs(found[0] - found[1]).max() > 1e-3


# --- units, shapes, the bar ------------------------------------------------------------------------------------


def test_the_units_are_those_of_the_data() -> None:
    shift, scale, exact = np.array([1.0, -2.0]), np.array([2.0, 0.5]), DATA.eps(LINEAR)
    attributes = dict(shape=(2,), shift=shift, scale=scale, __call__=lambda self, x, t: exact(x, t))
    options: Any = dict(fractions=FRACTIONS, t=300, steps=30)
    found = interpolate(type("Units", (), attributes)(), LINEAR, shift + scale * A, shift + scale * B, **options)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, shift + scale * interpolate(exact, LINEAR, A, B, **options), rtol=0, atol=1e-5)


def test_images_of_one_class() -> None:
    seen: list[Any] = []

    def network(x: np.ndarray, t: int, labels: np.ndarray) -> np.ndarray:
        seen.append((x.shape, t, labels.tolist()))
        return 0.5 * x

    a, b = np.random.default_rng(11).normal(size=(2, 1, 4, 3))
    found = interpolate(guided(network, 2, 1.0, null=5), SHORT, a, b, FRACTIONS, 3)
    assert found.shape == (4, 1, 4, 3)
    assert seen == [((8, 1, 4, 3), t, [2] * 4 + [5] * 4) for t in (3, 2, 1)]
    flat = interpolate(lambda x, t: 0.5 * x, SHORT, a.ravel(), b.ravel(), FRACTIONS, 3)
    np.testing.assert_allclose(found.reshape(4, 12), flat, rtol=0, atol=1e-6)


def test_steps_are_of_those_up_to_t(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    calls: list[int] = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        calls.append(t)
        return x

    interpolate(model, LINEAR, A, B, [0.5], 400, steps=4, progress=True)
    interpolate(model, LINEAR, A, B, [0.5], 400, steps=[7, 400])
    assert calls == [400, 300, 200, 100, 400, 7]
    assert "4/4" in capsys.readouterr().err


# --- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("model", value) for value in (None, 3)],
        *[("schedule", value) for value in (None, "linear")],
        *[(name, value) for name in "ab" for value in ([1.0, 2.0, 3.0], [[1.0, 2.0]], [np.nan, 0.0], "x", None)],
        *[("fractions", value) for value in ([], 0.5, [-0.1], [1.1], [np.nan], "all", None, [[0.5]])],
        *[("t", value) for value in (0, 11, 1.5, None, [3])],
        *[("seed", value) for value in (-1, 0.5)],
        *[("method", value) for value in ("ddpm", None)],
        *[("variance", value) for value in ("large", "learned", np.zeros(7))],
        *[("eta", value) for value in (2.0, 0.5)],
        *[("churn", value) for value in (-1.0, 2.0)],
        *[("steps", value) for value in (0, 7, [1, 2], [10, 6])],
    ],
    ids=str,
)
def test_bad_arguments_are_refused_by_name(name: str, value: Any) -> None:
    arguments: dict[str, Any] = dict(model=DATA.eps(SHORT), schedule=SHORT, a=A, b=B, fractions=[0.5], t=6)
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        interpolate(**arguments | {name: value})


def test_a_broken_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^model: eps at t = 6: expected finite values"):
        interpolate(lambda x, t: x * np.nan, SHORT, A, B, [0.5], 6)


def test_a_chain_from_T_is_that_of_sample() -> None:
    """One loop: with eps in place of the mixture, from the same x_T."""
    x = sample(DATA.eps(SHORT), SHORT, 1, 12, method="ddim", keep=[10, 0])
    root, sigma = math.sqrt(SHORT.alpha_bar[10]), math.sqrt(1.0 - SHORT.alpha_bar[10])
    x0 = (x[10][0] - sigma * normal(12, STREAM_INTERPOLATE, 0, 10, 2)[0].astype(np.float64)) / root
    found = interpolate(DATA.eps(SHORT), SHORT, x0, x0, [0.0], 10, 12, method="ddim")
    np.testing.assert_allclose(found, x[0], rtol=0, atol=1e-3)


def test_the_model_is_asked_in_the_form_that_is_asked_for() -> None:
    check_forms(lambda model, **options: interpolate(model, SHORT, A, B, FRACTIONS, t=5, **options))
