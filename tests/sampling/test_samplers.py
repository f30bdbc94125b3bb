"""The samplers: exact moments with the oracle as model, twins that agree, bits that no split or thread changes."""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, assert_gaussian_moments
from checks.forms import check_forms
from checks.mlp import contracting
from checks.samplers import ALL, DATA, EVERY, KINDS, SOLVERS, check_chain_moments, halfway, moments, options
from checks.threads import digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.oracles.moments import chain_moments
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import learned_variance
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import coefficients

FLAT = settings(deadline=None, max_examples=20)
LINEAR, SHORT = SCHEDULES["linear 1000"], SCHEDULES["cosine 10"]
SUBSETS = {  # T = 1000: as given to `sample`, and what they mean
    "4": (4, [1000, 750, 500, 250]),
    "1": (1, [1000]),
    "three": ([1, 1000, 30], [1000, 30, 1]),
}


# --- moments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_samples_have_the_moments_that_the_recursion_predicts(name: str, kind: str) -> None:
    long = SCHEDULES[name].T == 1000
    if not (long and kind == "ddim 1"):  # 1000 steps of what is "beta_tilde" to rounding: see test_reverse.py
        check_chain_moments(SCHEDULES[name], kind, n=2_000 if long else 20_000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("subset", SUBSETS)
def test_samples_of_some_steps_have_the_moments_that_the_recursion_predicts(subset: str, kind: str) -> None:
    # float32 cannot take the cosine's chain in one step: 1 / sqrt(alpha_bar_T) = 20,000
    for name in ("linear 1000", "sigmoid 1000" if subset == "1" else "cosine 1000"):
        check_chain_moments(SCHEDULES[name], kind, steps=SUBSETS[subset][0], times=SUBSETS[subset][1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_coefficients_as_computed_predict_the_moments_of_those_as_printed(name: str, kind: str) -> None:
    schedule = SCHEDULES[name]
    predicted = chain_moments(DATA, schedule, coefficients(schedule, **KINDS[kind]))
    for found, printed in zip(predicted, moments(schedule, kind, list(range(schedule.T, 0, -1))), strict=True):
        np.testing.assert_allclose(found, printed, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", [*SOLVERS, "array", "array each"])
def test_samples_of_every_solver_have_the_moments_that_its_table_gives(kind: str) -> None:
    """The recursion is proved in test_moments.py, the tables in test_solvers.py."""
    option = options(kind, LINEAR, 2)
    chain = coefficients(LINEAR, steps=12, **option)
    means, covariances = chain_moments(DATA, LINEAR, chain)
    x = sample(DATA.eps(LINEAR), LINEAR, 20_000, 7, steps=12, **option)
    assert_gaussian_moments(x, means[-1], covariances[-1])


def test_the_snapshots_of_a_solver_are_where_its_steps_end() -> None:
    """Not its trial points; and with churn, above the step that was chosen."""
    for kind in ("heun", "heun 4", "dpm++3m"):
        chain = coefficients(LINEAR, steps=12, **ALL[kind])
        visited = chain.s[chain.accept]
        means, covariances = chain_moments(DATA, LINEAR, chain)
        snapshots = sample(DATA.eps(LINEAR), LINEAR, 2_000, 7, steps=12, keep=visited[[2, 5]], **ALL[kind])
        for t, x in snapshots.items():
            place = 1 + np.flatnonzero(chain.accept & (chain.s == t)).item()
            assert_gaussian_moments(x, means[place], covariances[place])


def test_a_chain_of_1000_steps_gives_the_data_back() -> None:
    """Not what the recursion says but what the user wants; what the steps are too long for stays below 2.5 %."""
    for name, kind in itertools.product(SCHEDULES, KINDS):
        if name.endswith(" 1000"):
            means, covariances = moments(SCHEDULES[name], kind, list(range(1000, 0, -1)))
            np.testing.assert_allclose(means[-1], DATA.mean, rtol=0, atol=0.025)
            np.testing.assert_allclose(covariances[-1], DATA.covariance, rtol=0, atol=0.025)


# --- line by line ----------------------------------------------------------------------------------------------


def algorithm_1(model: Any, schedule: Schedule, n: int, seed: int, sigma: np.ndarray) -> np.ndarray:
    """Algorithm 1 as the article prints it, its minus sign put back, in float64."""
    x = normal(seed, STREAM_START, np.arange(n), 0, 2).astype(np.float64)
    for t in range(schedule.T, 0, -1):
        z = normal(seed, STREAM_REVERSE, np.arange(n), t, 2) if t > 1 else 0.0
        eps = model(x, t)
        x = (x - schedule.beta[t] / math.sqrt(1 - schedule.alpha_bar[t]) * eps) / math.sqrt(schedule.alpha[t])
        x = x + sigma[t] * z
    return x


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("name", ["linear 1000", "cosine 10", "sigmoid 2", "linear 1"])
def test_ancestral_sampling_is_algorithm_1_line_by_line(name: str, variance: str) -> None:
    schedule = SCHEDULES[name]
    sigma = np.sqrt(schedule.beta if variance == "beta" else schedule.beta_tilde)
    data = GaussianMixture([0.3, 0.7], [[-2.0, 0.0], [1.0, 1.0]], [0.1 * np.eye(2), 0.3 * np.eye(2)])
    for model in (data.eps(schedule), contracting(0, 2, 12, 1, True)):
        expected = algorithm_1(model, schedule, 30, 11, sigma)
        for backend in BACKENDS:
            x = sample(model, schedule, 30, 11, variance=variance, backend=backend)
            np.testing.assert_allclose(x, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 4), (3, 2, 2)])
def test_any_callable_is_a_model_and_a_sample_may_have_any_shape(shape: tuple[int, ...]) -> None:
    x = sample(lambda x, t: x, SHORT, 5, 3, shape=shape)
    assert x.shape == (5, *shape)
    assert x.dtype == np.float32
    flat = sample(lambda x, t: x, SHORT, 5, 3, shape=(math.prod(shape),))
    np.testing.assert_array_equal(x.ravel(), flat.ravel())


# --- images ----------------------------------------------------------------------------------------------------

IMAGE = (2, 3, 2)
PIXELS = Gaussian(np.linspace(-1.0, 1.0, 12), 0.3 * np.eye(12) + 0.2)


def of_images(schedule: Schedule) -> Any:
    """The perfect network of PIXELS, for images [N, 2, 3, 2] in units of their own."""
    exact = PIXELS.eps(schedule)

    class Images:
        shape, shift, scale = IMAGE, np.full(IMAGE, 0.5, np.float32), np.full(IMAGE, 2.0, np.float32)
        learn_variance = True

        def __call__(self, x: np.ndarray, t: int) -> np.ndarray:
            return exact(x.reshape(len(x), 12), t).reshape(x.shape)

        def eps_and_fraction(self, x: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
            return self(x, t), np.broadcast_to(np.linspace(0.0, 1.0, 12).reshape(IMAGE), x.shape)

    return Images()


@pytest.mark.parametrize("kind", EVERY)
def test_images_are_points_of_another_shape(kind: str) -> None:
    """With snapshots, a part of the samples, and an array of variances with one for each pixel."""
    option, keep = options(kind, SHORT, 12), [10, halfway(kind, SHORT), 0]
    points = sample(PIXELS.eps(SHORT), SHORT, 7, 5, first=3, keep=keep, **option)
    if kind == "array each":
        option = dict(variance=option["variance"].reshape(11, *IMAGE))
    images = sample(of_images(SHORT), SHORT, 7, 5, first=3, keep=keep, **option)
    assert list(images) == keep
    for t in keep:
        assert images[t].shape == (7, *IMAGE)
        assert images[t].dtype == np.float32
        np.testing.assert_array_equal(images[t], np.float32(0.5) + np.float32(2.0) * points[t].reshape(7, *IMAGE))
    whole = sample(of_images(SHORT), SHORT, 10, 5, **option)
    np.testing.assert_array_equal(whole[3:], images[0])


def test_images_with_a_learned_variance_have_that_of_each_pixel() -> None:
    variance = np.zeros((11, *IMAGE))
    for t in range(2, 11):
        fraction = np.linspace(0.0, 1.0, 12).reshape(1, *IMAGE)
        variance[t] = learned_variance(SHORT, fraction, t)[0]
    learned, given = (sample(of_images(SHORT), SHORT, 5, 6, variance=v) for v in ("learned", variance))
    np.testing.assert_allclose(learned, given, rtol=0, atol=1e-5)


def test_images_have_the_moments_of_the_data() -> None:
    x = (sample(of_images(LINEAR), LINEAR, 4000, 7, method="dpm++3m", steps=40) - 0.5) / 2.0
    assert_gaussian_moments(x.reshape(4000, 12), PIXELS.mean, PIXELS.covariance)  # 40 steps leave far less


def test_a_unet_goes_through_the_loop_in_any_split() -> None:
    model = UNet(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    model.buffer[:] += np.random.default_rng(8).normal(scale=0.05, size=model.buffer.size).astype(np.float32)
    whole = sample(model, SHORT, 5, 9)
    assert whole.shape == (5, 1, 8, 8)
    parts = [sample(model, SHORT, high - low, 9, first=low) for low, high in itertools.pairwise([0, 2, 5])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


# --- bits ------------------------------------------------------------------------------------------------------

MODEL = contracting(1, 3, 20, 2, True)
BIT_MODELS = {"mlp": MODEL, "oracle": DATA.eps(SHORT)}


@FLAT
@given(
    n=st.integers(2, 150),
    first=st.integers(0, 2**32 - 150),
    kind=st.sampled_from(EVERY),
    model=st.sampled_from(sorted(BIT_MODELS)),
    data=st.data(),
)
def test_a_split_call_gives_the_same_bits(n: int, first: int, kind: str, model: str, data: st.DataObject) -> None:
    cuts = sorted({0, n, *data.draw(st.sets(st.integers(1, n - 1), max_size=3))})
    option = options(kind, SHORT, *BIT_MODELS[model].shape)
    whole = sample(BIT_MODELS[model], SHORT, n, 8, first=first, **option)
    parts = [
        sample(BIT_MODELS[model], SHORT, high - low, 8, first=first + low, **option)
        for low, high in itertools.pairwise(cuts)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("model", BIT_MODELS)
def test_a_sample_is_the_same_in_any_lane_of_any_block(model: str) -> None:
    whole = sample(BIT_MODELS[model], SHORT, 70, 9)
    for i in range(70):
        np.testing.assert_array_equal(sample(BIT_MODELS[model], SHORT, 1, 9, first=i)[0], whole[i])
    assert len(np.unique(whole, axis=0)) == 70


def digest() -> str:
    """Of chains over several blocks, the last not full."""
    code = hashlib.sha256()
    for kind in EVERY:
        for x in sample(MODEL, SHORT, 333, 10, keep=[halfway(kind, SHORT), 0], **options(kind, SHORT, 3)).values():
            code.update(x.tobytes())
    return code.hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert digests(__file__) == [digest()] * 3


@pytest.mark.parametrize("model", [MODEL, DATA.eps(SHORT)])
def test_the_seed_decides(model: Any) -> None:
    results = [sample(model, SHORT, 5, seed) for seed in (0, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(results[0], results[1])
    for one, two in itertools.combinations(results[1:], 2):
        assert (one != two).all()


# --- bad input -------------------------------------------------------------------------------------------------

BAD = [
    *[("n", value) for value in (0, -1, 2**32 + 1, 1.5, "3", None, True)],
    *[("seed", value) for value in (-1, 2**64, 0.5, None, True)],
    *[("first", value) for value in (-1, 2**32 - 2, 0.5, None)],
    *[("schedule", value) for value in (None, "linear", LINEAR.beta)],
    *[("method", value) for value in ("ddpm", None, 1)],
    *[("variance", value) for value in ("large", "learned", None, 0.5, LINEAR.beta[1:], np.zeros((1001, 3)))],
    *[("churn", value) for value in (-1.0, 2.0, math.inf, "0", None)],
    *[("eta", value) for value in (2, -0.1, math.nan, "0", None)],
    *[
        ("steps", value)
        for value in (0, 1001, -1, 2.5, True, "all", [], [0, 1000], [1001], [1000, 1000], [1.0], [[1], [2]])
    ],
    *[("keep", value) for value in ([], [-1], [1001], [1.0], "all", [[1], [2]])],
    *[("shape", value) for value in ((0,), (2, -1), (2.0,), ("a",), 2, [2], "ab")],
    *[("model", value) for value in (None, 3, np.zeros(3), "mlp")],
    *[("backend", value) for value in ("torch", 1)],
]


def shown(value: Any) -> str:
    return str(value)[:20].replace("\n", "")


@pytest.mark.parametrize(("name", "value"), BAD, ids=shown)
def test_bad_arguments_are_refused_by_name(name: str, value: Any) -> None:
    arguments = dict(model=lambda x, t: x, schedule=LINEAR, n=3, shape=(2,))
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        sample(**arguments | {name: value})


def test_snapshots_of_steps_that_are_not_visited_are_refused() -> None:
    for keep in ([0, 499], [499, 1000]):
        with pytest.raises(
            ValueError, match=r"^keep: expected steps that the chain visits, got 499, which it does not$"
        ):
            sample(MODEL, LINEAR, 3, steps=4, keep=keep)


def test_a_shape_that_is_missing_or_not_the_models_own_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^shape: expected the shape of one sample, since the model has no attribute"
    ):
        sample(lambda x, t: x, SHORT, 3)
    with pytest.raises(ValueError, match=r"^shape: expected the model's own \(3,\), got \(2,\)$"):
        sample(MODEL, SHORT, 3, shape=(2,))
    assert sample(MODEL, SHORT, 3, shape=(3,)).shape == (3, 3)
    with pytest.raises(ValueError, match=r"^model: expected a callable eps = model\(x, t\), got str$"):
        sample("mlp", SHORT, 3, shape=(3,))


def test_the_model_is_asked_in_the_form_that_is_asked_for() -> None:
    check_forms(lambda model, **options: sample(model, SHORT, 2, shape=(3,), **options))
