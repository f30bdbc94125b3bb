"""The samplers: exact moments with the oracle as model, twins that agree, bits that no split or thread changes."""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, assert_gaussian_moments
from checks.samplers import DATA, KINDS, check_chain_moments, moments
from checks.tasks import prepare
from checks.threads import digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.kernels.mlp import forward as mlp_forward
from numpy_diffusion.models.tasks import Adam
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.oracles.moments import chain_moments
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import learned_variance
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import coefficients
from numpy_diffusion.training import step as training_step

FLAT = settings(deadline=None, max_examples=20)
LINEAR, SHORT = SCHEDULES["linear 1000"], SCHEDULES["cosine 10"]
SOLVERS: dict[str, dict[str, Any]] = {
    "euler": dict(method="euler"),
    "euler 4": dict(method="euler", churn=4.0),
    "heun": dict(method="heun"),
    "heun 4": dict(method="heun", churn=4.0),
    "dpm++2m": dict(method="dpm++2m"),
    "dpm++3m": dict(method="dpm++3m"),
}
ALL = KINDS | SOLVERS
EVERY = (*ALL, "array", "array each")  # the last two depend on the schedule and the shape
SUBSETS = {  # T = 1000: as given to `sample`, and what they mean
    "4": (4, [1000, 750, 500, 250]),
    "1": (1, [1000]),
    "three": ([1, 1000, 30], [1000, 30, 1]),
}


def options(kind: str, schedule: Schedule, size: int) -> dict[str, Any]:
    """The options of `sample` that a kind stands for, with a model of samples [size]."""
    if kind.startswith("array"):
        shape = (schedule.T + 1, size) if kind.endswith("each") else (schedule.T + 1,)
        return dict(variance=np.random.default_rng(3).uniform(0.0, 0.1, shape))
    return ALL[kind]


def halfway(kind: str, schedule: Schedule, steps: Any = None) -> int:
    """A step in the middle that the chain visits."""
    chain = coefficients(schedule, steps=steps, **options(kind, schedule, 1))
    visited = chain.s[chain.accept]
    return int(visited[len(visited) // 2])


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


def test_the_model_is_called_once_a_step_with_that_step() -> None:
    calls = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        calls.append((x.shape, x.dtype, t, type(t)))
        return x.astype(np.float64)

    sample(model, SHORT, 3, shape=(2, 4))
    assert calls == [((3, 2, 4), np.float32, t, int) for t in range(10, 0, -1)]
    calls.clear()
    sample(model, LINEAR, 3, shape=(1,), steps=[7, 1000, 20])
    assert [t for _, _, t, _ in calls] == [1000, 20, 7]


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


# --- the MLP's kernel ------------------------------------------------------------------------------------------


def contracting(seed: int, dim: int, width: int, depth: int, residual: bool) -> MLP:
    """An MLP with eps = x + a little of what its random weights make of (x, t): no chain of it can blow up.

    The identity goes through two features a coordinate, since silu(x) - silu(-x) = x.
    """
    model = MLP(dim, width, depth, embedding=8, residual=residual, seed=seed)
    rng, pair = np.random.default_rng(seed), np.concatenate([np.eye(dim), -np.eye(dim)])
    for name, values in model.params.items():
        if "bias" in name:
            values[:] = 0.1 * rng.normal(size=values.shape)
        if "output" not in name:
            values[: 2 * dim] = 0.0
        if "hidden" in name and "weight" in name and not residual:
            values[: 2 * dim, : 2 * dim] = pair @ pair.T
    model.params["input.weight"][: 2 * dim, :dim] = pair
    model.params["output.weight"][:] = 0.1 * rng.normal(size=(dim, width)) / math.sqrt(width)
    model.params["output.weight"][:, : 2 * dim] = pair.T
    return model


MODEL = contracting(1, 3, 20, 2, True)


@FLAT
@given(
    seed=st.integers(0, 2**64 - 1),
    dim=st.sampled_from([1, 2, 3, 5, 9]),
    features=st.integers(0, 50),
    depth=st.integers(0, 3),
    residual=st.booleans(),
    n=st.integers(1, 100),
    first=st.integers(0, 2**32 - 100),
    kind=st.sampled_from(EVERY),
    steps=st.one_of(
        st.none(),
        st.integers(1, 60),
        st.sets(st.integers(1, 999), max_size=9).map(lambda chosen: [*sorted(chosen), 1000]),
    ),
)
def test_loop_and_kernel_agree_to_rounding(
    seed: int, dim: int, features: int, depth: int, residual: bool, n: int, first: int, kind: str, steps: Any
) -> None:
    """A step rounds to some 1e-7 of what cancels where a or p is large; a contracting chain forgets it."""
    model = contracting(seed % 1000, dim, 2 * dim + features, depth, residual)
    schedule = LINEAR if steps is not None or seed % 5 == 0 else SHORT  # the whole of T = 1000 in some draws
    option = options(kind, schedule, dim)
    chain = coefficients(schedule, steps=steps, **option)
    keep = [schedule.T, halfway(kind, schedule, steps), 0]
    fused, loop = (
        sample(model, schedule, n, seed, first=first, steps=steps, keep=keep, backend=backend, **option)
        for backend in BACKENDS
    )
    for t in keep:
        assert fused[t].dtype == loop[t].dtype == np.float32
        allowed = 1e-6 * max(10.0, chain.a.max(), chain.p.max())  # a chain without gaps: 1e-5
        assert np.abs(fused[t] - loop[t]).max() <= allowed * max(1.0, np.abs(loop[t]).max())


@pytest.fixture(scope="module")
def trained() -> MLP:
    model, rng = MLP(2, 32, 2), np.random.default_rng(4)
    data = rng.normal(size=(500, 2)).astype(np.float32) * np.float32([1.0, 0.3])
    advance = prepare(
        model,
        LINEAR,
        data,
        batch=256,
        weighting=np.ones(1001),
        adam=Adam(),
        rates=np.full(300, 5e-3),
        average_decay=0.99,
        seed=5,
        backend="numpy",
    )
    state = training_step.start(model, LINEAR.T)
    advance(state, 300)
    model.buffer[:] = state.average
    return model


@pytest.mark.parametrize("kind", ["beta", "ddim 0.5", "heun", "dpm++3m"])
def test_loop_and_kernel_agree_for_a_trained_network(trained: MLP, kind: str) -> None:
    fused, loop = (sample(trained, LINEAR, 50, 6, backend=backend, **ALL[kind]) for backend in BACKENDS)
    assert np.abs(fused - loop).max() <= 1e-5 * np.abs(loop).max()
    assert np.abs(loop).max() < 5.0  # trained enough for the chain to stay near the data


def test_a_float64_network_goes_through_the_loop() -> None:
    model = MLP(2, 8, 1, dtype=np.float64)
    model.params["output.bias"][:] = 0.5
    results = [sample(model, SHORT, 4, backend=backend) for backend in BACKENDS]
    np.testing.assert_array_equal(*results)
    assert results[0].dtype == np.float32


# --- a network that learns its variance ------------------------------------------------------------------------


def two_headed(seed: int) -> MLP:
    """`contracting`, with a second head of random weights: fractions of some 0.2 to 0.8."""
    one = contracting(seed, 2, 20, 2, True)
    model = MLP(2, 20, 2, embedding=8, residual=True, learn_variance=True)
    for name, values in one.params.items():
        model.params[name][: len(values)] = values
    model.params["output.weight"][2:] = 0.1 * np.random.default_rng(seed).normal(size=(2, 20))
    return model


@pytest.mark.parametrize("kind", EVERY)
def test_the_second_head_has_no_part_in_a_chain_of_fixed_variance(kind: str) -> None:
    option = options(kind, LINEAR, 2)
    for backend in BACKENDS:
        two, one = (
            sample(model, LINEAR, 40, 2, steps=30, backend=backend, **option)
            for model in (two_headed(4), contracting(4, 2, 20, 2, True))
        )
        np.testing.assert_array_equal(two, one)


def test_the_learned_variance_is_the_networks_own_step_by_step() -> None:
    """Algorithm 1 with sigma^2 of Nichol and Dhariwal eq 15 for each sample and coordinate; none at the last step."""
    model, times, n = two_headed(5), [1000, 700, 300, 20], 30
    x = normal(6, STREAM_START, np.arange(n), 0, 2).astype(np.float64)
    fractions = []
    for t, s in itertools.pairwise([*times, 0]):
        eps, fraction = model.eps_and_fraction(x.astype(np.float32), t)
        alpha = LINEAR.alpha_bar[t] / LINEAR.alpha_bar[s]
        x = (x - (1 - alpha) / math.sqrt(1 - LINEAR.alpha_bar[t]) * eps) / math.sqrt(alpha)
        if s > 0:
            sigma = np.sqrt(learned_variance(LINEAR, fraction, t, s))
            x = x + sigma * normal(6, STREAM_REVERSE, np.arange(n), t, 2)
        fractions.append(fraction)
    for backend in BACKENDS:
        found = sample(model, LINEAR, n, 6, steps=times, variance="learned", backend=backend)
        np.testing.assert_allclose(found, x, rtol=0, atol=1e-3)
    assert np.std(fractions) > 0.02
    assert np.abs(sample(model, LINEAR, n, 6, steps=times) - x).max() > 0.01


# --- bits ------------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("kind", EVERY)
def test_a_bar_and_snapshots_change_no_bit(kind: str) -> None:
    for model in (MODEL, DATA.eps(LINEAR)):
        option = options(kind, LINEAR, *model.shape)
        plain = sample(model, LINEAR, 40, 12, steps=120, **option)
        ways = (dict(progress=True), dict(keep=[0]), dict(keep=[halfway(kind, LINEAR, 120), 0, 1000], progress=True))
        for result in (sample(model, LINEAR, 40, 12, steps=120, **way, **option) for way in ways):
            np.testing.assert_array_equal(plain, result[0] if isinstance(result, dict) else result)


@pytest.mark.parametrize("kind", EVERY)
def test_the_backend_changes_no_bit_of_what_has_no_kernel(kind: str) -> None:
    for model, shape in ((DATA.eps(SHORT), None), (lambda x, t: 0.9 * x, (2, 3))):
        size = 2 if shape is None else 3  # the last axis, where the array's is
        option = options(kind, SHORT, size)
        if shape is not None and kind == "array each":
            option = dict(variance=np.tile(option["variance"][:, None], (1, 2, 1)))
        results = [sample(model, SHORT, 20, 13, shape=shape, backend=b, **option) for b in BACKENDS]
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("model", [MODEL, DATA.eps(SHORT)])
def test_the_seed_decides(model: Any) -> None:
    results = [sample(model, SHORT, 5, seed) for seed in (0, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(results[0], results[1])
    for one, two in itertools.combinations(results[1:], 2):
        assert (one != two).all()


# --- snapshots, units, the bar ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [MODEL, DATA.eps(SHORT)])
@pytest.mark.parametrize("keep", [[0], [10], [10, 7, 0], [0, 3, 10, 4], [1], np.array([9, 2]), range(11)], ids=str)
def test_snapshots_come_in_the_order_asked_for(model: Any, keep: Any) -> None:
    chain, every = (sample(model, SHORT, 6, 14, keep=steps) for steps in (keep, range(11)))
    assert list(chain) == list(keep)
    for t in keep:
        assert chain[t].dtype == np.float32
        np.testing.assert_array_equal(chain[t], every[t])
    np.testing.assert_array_equal(every[0], sample(model, SHORT, 6, 14))
    start = normal(14, STREAM_START, np.arange(6), 0, *model.shape)
    np.testing.assert_array_equal(every[10], start)
    assert len({x.tobytes() for x in every.values()}) == 11


def test_snapshots_of_some_steps() -> None:
    for model in (contracting(2, 2, 8, 1, False), DATA.eps(LINEAR)):
        chain = sample(model, LINEAR, 3, keep=[250, 1000, 0], steps=4)
        assert list(chain) == [250, 1000, 0]
        np.testing.assert_array_equal(chain[0], sample(model, LINEAR, 3, steps=4))
        np.testing.assert_array_equal(chain[1000], normal(0, STREAM_START, np.arange(3), 0, 2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_come_back_in_the_units_of_the_data(backend: Any) -> None:
    model = contracting(3, 2, 10, 1, True)
    before = sample(model, SHORT, 9, keep=[10, 5, 0], backend=backend)
    model.shift, model.scale = np.float32([100.0, -7.0]), np.float32([2.0, 0.25])
    after = sample(model, SHORT, 9, keep=[10, 5, 0], backend=backend)
    for t in before:
        assert after[t].dtype == np.float32
        np.testing.assert_array_equal(after[t], model.shift + model.scale * before[t])


def test_any_model_may_bring_its_units() -> None:
    class Standardised:
        """The perfect network of DATA in units of its standard deviations."""

        shape, shift, scale = (2,), DATA.mean, np.sqrt(np.diag(DATA.covariance))
        exact = Gaussian([0.0, 0.0], DATA.covariance / np.outer(scale, scale)).eps(LINEAR)

        def __call__(self, x: np.ndarray, t: int) -> np.ndarray:
            return self.exact(x, t)

    x = sample(Standardised(), LINEAR, 20_000, steps=200, method="ddim")
    # 200 steps of DDIM leave the covariance 2 % from the data's
    assert np.abs(x.mean(0) - DATA.mean).max() < 0.02 + 5 / math.sqrt(20_000)
    np.testing.assert_allclose(np.cov(x.T), DATA.covariance, rtol=0.02 + 5 * math.sqrt(2 / 20_000))


@pytest.mark.parametrize("model", [MODEL, contracting(3, 2, 10, 1, True).__call__])
def test_the_bar_counts_every_step_and_is_off_unless_asked_for(model: Any, capsys: pytest.CaptureFixture) -> None:
    shape = getattr(model, "shape", (2,))
    sample(model, LINEAR, 2, steps=130, shape=shape)
    assert capsys.readouterr().err == ""
    sample(model, LINEAR, 2, steps=130, shape=shape, progress=True)
    assert "sampling: 100%" in (bar := capsys.readouterr().err)
    assert "130/130" in bar
    assert "evaluation/s" in bar


def test_the_kernel_comes_back_50_times_for_the_bar_and_once_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its coefficients in float32, as the definition's are."""
    tables, kernel = [], mlp_forward.chain

    def chain(*arguments: Any) -> None:
        tables.append(arguments[5])
        kernel(*arguments)

    monkeypatch.setattr(mlp_forward, "chain", chain)
    for progress, times in ((False, 1), (True, 50)):
        tables.clear()
        sample(MODEL, LINEAR, 2, progress=progress)
        assert len(tables) == times
        assert sum(len(rows) for rows in tables) == 1000
        assert {rows.dtype for rows in tables} == {np.dtype(np.float32)}


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
        for value in (0, 1001, -1, 2.5, True, "all", [], [0, 1000], [1001], [1000, 1000], [500, 1], [1.0], [[1], [2]])
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


@pytest.mark.parametrize(
    ("eps", "complaint"),
    [
        (lambda x: x[:, :1], r"expected shape \[3, 2\], got \[3, 1\]"),
        (lambda x: x[0], r"expected shape \[3, 2\], got \[2\]"),
        (lambda x: 0.0, r"expected shape \[3, 2\], got \[\]"),
        (lambda x: x * np.nan, r"expected finite values, got 6 that are NaN or infinite"),
        (lambda x: np.full(x.shape, 1e300), r"expected finite values, got 6 that are NaN or infinite"),
        (lambda x: None, r"expected real numbers, got dtype object"),
        (lambda x: x.astype(complex), r"expected real numbers, got dtype complex128"),
        (lambda x: x > 0, r"expected real numbers, got dtype bool"),
    ],
)
def test_a_model_whose_answer_is_no_noise_is_refused(eps: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^model: eps at t = 4: {complaint}"):
        sample(lambda x, t: x if t > 4 else eps(x), SHORT, 3, shape=(2,))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_that_is_broken_is_refused(backend: Any) -> None:
    model = MLP(2, 8, 1)
    model.params["output.bias"][:] = np.nan
    with pytest.raises(ValueError, match=r"^model: .*expected .*finite .*NaN"):
        sample(model, SHORT, 3, backend=backend)
    model.params["output.bias"][:] = 1e38  # grows by 1 / sqrt(alpha_bar_T): more than a float32 holds
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"expected .*finite"):
        sample(model, SHORT, 3, backend=backend)
