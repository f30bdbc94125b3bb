"""Chains that start from an x_t of their own, or end before the data: each a piece of a whole chain, to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, assert_gaussian_moments
from checks.forms import check_forms
from checks.mlp import contracting
from checks.samplers import ALL, DATA, KINDS, options

from numpy_diffusion.kernels.backend import BACKENDS, Backend
from numpy_diffusion.noise import STREAM_START, normal
from numpy_diffusion.oracles.moments import chain_moments
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.sampling.from_step import sample_from
from numpy_diffusion.sampling.samplers import sample, sample_steps
from numpy_diffusion.sampling.solvers import coefficients

LINEAR, SHORT = SCHEDULES["linear 1000"], SCHEDULES["cosine 10"]
STEPS = [900, 700, 450, 300, 100, 20]
STILL = [kind for kind in ALL if not kind.endswith(" 4")]  # churn rises by what follows
ONE_STEP = [*KINDS, "euler", "heun", "array", "array each"]


def network() -> Any:
    model = contracting(0, 2, 12, 1, True)
    model.shift, model.scale = np.array([4.0, -2.0], np.float32), np.array([2.0, 0.5], np.float32)
    return model


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", STILL)
def test_a_chain_that_ends_above_0_is_the_upper_piece_of_a_whole_one(kind: str, backend: Backend) -> None:
    for model in (DATA.eps(LINEAR), network()):
        option: Any = dict(steps=STEPS, backend=backend, shape=(2,)) | options(kind, LINEAR, 2)
        for end in (700, 100, 20):
            found = sample(model, LINEAR, 5, 3, end=end, **option)
            np.testing.assert_array_equal(found, sample(model, LINEAR, 5, 3, keep=[end], **option)[end])
        *_, (t, last) = sample_steps(model, LINEAR, 5, 3, end=end, **option)
        assert t == 20
        np.testing.assert_array_equal(last, found)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ONE_STEP)
def test_from_a_step_of_a_chain_the_rest_follows(kind: str, backend: Backend) -> None:
    """Of a model whose units are the data's: there and back again may round."""
    for model in (DATA.eps(LINEAR), contracting(0, 2, 12, 1, True)):
        option: Any = options(kind, LINEAR, 2) | dict(backend=backend)
        kept = sample(model, LINEAR, 5, 3, first=7, steps=STEPS, keep=[300, 20, 0], shape=(2,), **option)
        for end in (20, 0):
            lower = sample_from(model, LINEAR, kept[300], 300, 3, first=7, steps=STEPS[3:], end=end, **option)
            assert lower.dtype == np.float32
            np.testing.assert_array_equal(lower, kept[end])


@pytest.mark.parametrize("kind", STILL)
def test_a_chain_whose_steps_begin_below_T_takes_x_there_for_noise(kind: str) -> None:
    noise = normal(3, STREAM_START, np.arange(5), 0, 2)
    for steps in ([300, 100, 1], [450]):
        found = sample(DATA.eps(LINEAR), LINEAR, 5, 3, steps=steps, keep=[steps[0], 0], **ALL[kind])
        np.testing.assert_array_equal(found[steps[0]], noise)
        below = sample_from(DATA.eps(LINEAR), LINEAR, noise, steps[0], 3, steps=steps, **ALL[kind])
        np.testing.assert_array_equal(found[0], below)


@pytest.mark.parametrize("kind", ["beta", "ddim 1", "heun 4", "dpm++3m"])
def test_moments_of_a_chain_between_two_noisy_ends(kind: str) -> None:
    """Its last step has noise where the method has any: at 1 there is some in q(x_1)."""
    table = coefficients(LINEAR, steps=STEPS, end=1, **ALL[kind])
    assert (table.t[0], table.s[-1]) == (900, 1)
    assert (table.c[-1] > 0.0) == (kind in KINDS)
    means, covariances = chain_moments(DATA, LINEAR, table)
    x = sample(DATA.eps(LINEAR), LINEAR, 20_000, 7, steps=STEPS, end=1, **ALL[kind])
    assert_gaussian_moments(x, means[-1], covariances[-1])


def test_data_that_was_noised_a_little_stays_near_and_noised_much_does_not() -> None:
    x0 = np.random.default_rng(1).normal(size=(40, 2))
    moved = []
    for t in (5, 50, 1000):
        xt, _ = q_sample(x0, t, LINEAR, 6)
        x = sample_from(DATA.eps(LINEAR), LINEAR, xt, t, 6, method="ddim", steps=max(t // 10, 1))
        moved.append(np.abs(x - x0).mean())
    assert moved[0] < 0.1 < moved[1] < 1.0 < moved[2]


def test_steps_are_of_those_from_t_down_to_the_end() -> None:
    asked: list[int] = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        asked.append(t)
        return x

    for steps, end in ((4, 0), ([400, 7], 0), ([400, 7], 7), (4, 150)):
        sample_from(model, LINEAR, np.zeros((3, 2)), np.int64(400), steps=steps, end=end)
    assert asked == [400, 300, 200, 100, 400, 7, 400, 400, 300, 200]
    sample(model, LINEAR, 2, shape=(2,), steps=10, end=750)
    assert asked[10:] == [1000, 900, 800]


def test_the_units_are_those_of_the_data() -> None:
    model, xt = network(), np.random.default_rng(2).normal(size=(5, 2))
    plain = contracting(0, 2, 12, 1, True)
    found = sample_from(model, LINEAR, model.shift + model.scale * xt, 300, steps=9)
    expected = model.shift + model.scale * sample_from(plain, LINEAR, xt, 300, steps=9)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("model", value) for value in (None, 3)],
        *[("schedule", value) for value in (None, "linear")],
        *[("xt", value) for value in ([1.0, 2.0], [[np.nan, 0.0]], "x", None, np.zeros((0, 2)))],
        *[("t", value) for value in (0, 11, 1.5, None, [3])],
        *[("seed", value) for value in (-1, 0.5)],
        *[("method", value) for value in ("ddpm", None)],
        *[("variance", value) for value in ("large", "learned", np.zeros(7))],
        *[("eta", value) for value in (2.0, 0.5)],
        *[("churn", value) for value in (-1.0, 2.0)],
        *[("steps", value) for value in (0, 7, [1, 2], [10, 6])],
        *[("end", value) for value in (-1, 6, 0.0, None)],
        *[("first", value) for value in (-1, 2**32)],
        ("backend", "cuda"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_by_name(name: str, value: Any) -> None:
    arguments: dict[str, Any] = dict(model=DATA.eps(SHORT), schedule=SHORT, xt=np.zeros((3, 2)), t=6)
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        sample_from(**arguments | {name: value})


def test_a_network_has_its_shape() -> None:
    with pytest.raises(ValueError, match=r"^xt: expected shape \[n, 2\], got \[3, 3\]"):
        sample_from(network(), LINEAR, np.zeros((3, 3)), 300)


@pytest.mark.parametrize("end", [-1, 1000, 1.0, True, [0]])
def test_an_end_is_a_step_below_the_highest(end: Any) -> None:
    for function in (sample, sample_steps):
        with pytest.raises(ValueError, match=r"^end: expected an integer in 0\.\.999, got "):
            function(DATA.eps(LINEAR), LINEAR, 3, end=end, shape=(2,))
    with pytest.raises(ValueError, match=r"^end: expected an integer in 0\.\.299, got 300"):
        sample(DATA.eps(LINEAR), LINEAR, 3, end=300, steps=[300, 7], shape=(2,))
    with pytest.raises(ValueError, match="keep: expected steps that the chain visits, got 0"):
        sample(DATA.eps(LINEAR), LINEAR, 3, end=7, keep=[0], shape=(2,), steps=[300, 7])
    assert math.isfinite(sample(DATA.eps(LINEAR), LINEAR, 1, end=999, shape=(2,)).sum())


def test_the_model_is_asked_in_the_form_that_is_asked_for() -> None:
    check_forms(lambda model, **options: sample_from(model, SHORT, np.ones((2, 3)), 5, **options))
