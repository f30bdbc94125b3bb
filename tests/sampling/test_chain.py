"""The loop of all samplers and a network's own kernel for it: twins that agree, snapshots, units, the bar."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from checks.bars import at_once
from checks.exact import SCHEDULES
from checks.mlp import contracting
from checks.samplers import ALL, DATA, EVERY, halfway, options
from checks.tasks import prepare
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.kernels.mlp import forward as mlp_forward
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.tasks import Adam
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.noise import STREAM_REVERSE, STREAM_START, normal
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.variances import learned_variance
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import METHODS, Method, coefficients
from numpy_diffusion.training import step as training_step

FLAT = settings(deadline=None, max_examples=20)
LINEAR, SHORT = SCHEDULES["linear 1000"], SCHEDULES["cosine 10"]
MODEL = contracting(1, 3, 20, 2, True)


def in_place(x: np.ndarray, t: int) -> np.ndarray:
    """x - its mean, times 0.7, where x was."""
    x -= x.mean()
    x *= 0.7
    return x


def apart(x: np.ndarray, t: int) -> np.ndarray:
    return (x - x.mean()) * np.float32(0.7)


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: clipped(as_eps(model, SHORT, "v"), SHORT)])
@pytest.mark.parametrize("method", METHODS)
def test_a_model_may_work_in_place_or_answer_in_one_array_for_all(method: Method, wrap: Any) -> None:
    one = np.empty((5, 2), np.float32)

    def in_one(x: np.ndarray, t: int) -> np.ndarray:
        one[:] = apart(x, t)
        return one

    found = [sample(wrap(model), SHORT, 5, method=method, shape=(2,)) for model in (apart, in_place, in_one)]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


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


# --- a network's own kernel -------------------------------------------------------------------------------------


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
    looped = lambda x, t: model(x, t)  # noqa: E731 - the same network, for which there is no kernel of the whole chain
    fused, loop = (
        sample(one, schedule, n, seed, first=first, steps=steps, keep=keep, shape=(dim,), **option)
        for one in (model, looped)
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
    advance(state, np.empty(300, np.float32))
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
def test_the_bar_counts_every_step_and_can_be_left_out(
    model: Any, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = getattr(model, "shape", (2,))
    at_once(monkeypatch)
    sample(model, LINEAR, 2, steps=130, shape=shape, progress=False)
    assert capsys.readouterr().err == ""
    sample(model, LINEAR, 2, steps=130, shape=shape)
    assert "sampling: 100%" in (bar := capsys.readouterr().err)
    assert "130/130" in bar
    assert " evaluations/s" in bar


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


# --- broken models ---------------------------------------------------------------------------------------------


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
