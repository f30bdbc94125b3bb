"""The forward chain: exact moments, Bayes' rule, twins that agree, and noise that no split or thread changes."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES, assert_gaussian_moments, kernel, posterior
from checks.gaussians import covariance
from checks.threads import THREADS, digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels import noising
from numpy_diffusion.kernels.backend import BACKENDS
from numpy_diffusion.noise import STREAM_CHAIN, STREAM_JUMP, normal, split_seed
from numpy_diffusion.process.forward import noised, q_posterior, q_sample, q_step, q_trajectory
from numpy_diffusion.process.schedules import Schedule

FLAT = settings(deadline=None, max_examples=40)
LINEAR = Schedule.linear(T=1000)
SEED = st.integers(0, 2**64 - 1)
NORMAL_ERROR = 1e-6  # of the kernel's normals; see tests/kernels/test_random.py

D, N = 4, 250_000  # 10^6 draws a step
MEAN = np.array([1.5, -0.5, 0.0, 3.0])
COVARIANCE = covariance(np.random.default_rng(5), D)


@pytest.fixture(scope="module")
def x0() -> np.ndarray:
    return np.random.default_rng(1).multivariate_normal(MEAN, COVARIANCE, N).astype(np.float32)


def marginal(schedule: Schedule, t: int) -> tuple[np.ndarray, np.ndarray]:
    signal, variance = kernel(schedule, t)
    return signal * MEAN, signal**2 * COVARIANCE + variance * np.eye(D)


CHAINS = {  # which steps of which schedule
    "linear 1000": [1, 2, 50, 100],
    "linear 100": [1, 2, 25, 50, 75, 99, 100],
    **{f"{name} 10": range(1, 11) for name in ("linear", "cosine", "quadratic", "sigmoid")},
    "cosine 2": [1, 2],
    "linear 1": [1],
}


@pytest.fixture(scope="module", params=CHAINS)
def chain(request: pytest.FixtureRequest, x0: np.ndarray) -> tuple[Schedule, dict[int, np.ndarray]]:
    name, T = request.param.split()
    schedule = getattr(Schedule, name)(int(T))
    return schedule, q_trajectory(x0, schedule, seed=3, keep=list(CHAINS[request.param]))


def test_chain_has_the_exact_mean_and_covariance(chain: tuple[Schedule, dict[int, np.ndarray]]) -> None:
    schedule, xs = chain
    for t, xt in xs.items():
        assert_gaussian_moments(xt, *marginal(schedule, t))


def test_jump_has_the_exact_mean_and_covariance(
    x0: np.ndarray, chain: tuple[Schedule, dict[int, np.ndarray]]
) -> None:
    schedule, xs = chain
    for t in {*xs, schedule.T // 2 or 1, schedule.T}:
        xt, eps = q_sample(x0, t, schedule, seed=4)
        assert_gaussian_moments(xt, *marginal(schedule, t))
        assert_gaussian_moments(eps, np.zeros(D), np.eye(D))


def test_steps_of_the_chain_have_the_joint_moments_of_the_product_of_kernels(
    x0: np.ndarray, chain: tuple[Schedule, dict[int, np.ndarray]]
) -> None:
    """(x_s, x_t) together, for neighbours and for steps far apart: Cov(x_t, x_s) = signal_ts Cov(x_s)."""
    schedule, xs = chain
    xs = {0: x0, **xs}
    times, (middle, last) = list(xs), (list(xs)[len(xs) // 2], max(xs))
    pairs = {*itertools.pairwise(times), (0, middle), (0, last), (middle, last)}
    for s, t in (pair for pair in pairs if pair[0] < pair[1]):
        (mean_s, cov_s), (mean_t, cov_t) = marginal(schedule, s), marginal(schedule, t)
        cross = kernel(schedule, t, s)[0] * cov_s
        joint = np.block([[cov_s, cross], [cross.T, cov_t]])
        assert_gaussian_moments(np.hstack([xs[s], xs[t]]), np.concatenate([mean_s, mean_t]), joint)


def test_the_chain_is_markov() -> None:
    """What x_2 adds to its mean given x_1 knows nothing of x_0, nor of what x_1 added."""
    schedule, x0 = SCHEDULES["linear 10"], np.random.default_rng(2).normal(size=(N, D))
    xs = q_trajectory(x0, schedule, seed=5, keep=[0, 1, 2])
    added = [xs[t] - kernel(schedule, t, t - 1)[0] * xs[t - 1] for t in (1, 2)]
    variances = [kernel(schedule, t, t - 1)[1] for t in (1, 2)]
    together = np.hstack([x0, added[0] / math.sqrt(variances[0]), added[1] / math.sqrt(variances[1])])
    assert_gaussian_moments(together, np.zeros(3 * D), np.eye(3 * D))


@pytest.mark.parametrize("one_step", [q_sample, q_step])
def test_xt_is_signal_and_sigma_times_the_eps_that_comes_back(one_step: Callable[..., Any]) -> None:
    x = np.random.default_rng(6).normal(size=(1000, 3))
    for schedule in SCHEDULES.values():
        t = np.random.default_rng(7).integers(1, schedule.T + 1, 1000)
        signal, variance = kernel(schedule, t, 0 if one_step is q_sample else t - 1)
        xt, eps = one_step(x, t, schedule, seed=8)
        np.testing.assert_allclose(xt, signal[:, None] * x + np.sqrt(variance)[:, None] * eps, rtol=0, atol=1e-12)
        stream = STREAM_JUMP if one_step is q_sample else STREAM_CHAIN
        np.testing.assert_array_equal(eps, normal(8, stream, np.arange(1000), t, 3))


def test_the_trajectory_is_one_step_after_the_other() -> None:
    x = np.random.default_rng(9).normal(size=(50, 2)).astype(np.float32)
    schedule = SCHEDULES["cosine 10"]
    xs = q_trajectory(x, schedule, seed=10)
    assert list(xs) == list(range(11))
    np.testing.assert_array_equal(xs[0], x)
    for t in range(1, 11):
        np.testing.assert_array_equal(xs[t], q_step(xs[t - 1], t, schedule, seed=10)[0])
    some = q_trajectory(x, schedule, seed=10, keep=[7, 0, 3])
    assert list(some) == [7, 0, 3]
    assert all((some[t] == xs[t]).all() for t in some)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_posterior_is_bayes_rule(schedule: Schedule) -> None:
    rng = np.random.default_rng(11)
    x0, xt = rng.normal(size=(2, 4, 3))
    for t in range(1, schedule.T + 1):
        mean, variance = q_posterior(x0, xt, t, schedule)
        expected_mean, expected_variance = posterior(schedule, x0, xt, t, t - 1)
        # 1 - alpha_bar near 0 keeps 1e-16 / beta_1 of its digits, beta_1 being 4e-5 at the least here.
        np.testing.assert_allclose(mean, expected_mean, rtol=0, atol=1e-11)
        np.testing.assert_allclose(variance, expected_variance, rtol=1e-11)


def test_posterior_with_a_step_for_each_sample_is_that_of_each_alone() -> None:
    x0, xt = np.random.default_rng(12).normal(size=(2, 5, 3, 2))
    t = np.array([1, 2, 500, 999, 1000])
    mean, variance = q_posterior(x0, xt, t, LINEAR)
    assert variance.shape == (5,)
    for n in range(5):
        alone = q_posterior(x0[n : n + 1], xt[n : n + 1], int(t[n]), LINEAR)
        np.testing.assert_array_equal(mean[n], alone[0][0])
        assert variance[n] == alone[1]


def test_posterior_and_one_step_make_the_joint_of_two_steps() -> None:
    """x_{t-1} drawn from q(x_{t-1} | x_t, x_0) has the exact moments again."""
    schedule, t = SCHEDULES["linear 10"], 4
    x0 = np.random.default_rng(13).multivariate_normal(MEAN, COVARIANCE, N)
    xt, _ = q_sample(x0, t, schedule, seed=14)
    mean, variance = q_posterior(x0, xt, t, schedule)
    back = mean + np.sqrt(variance) * np.random.default_rng(15).normal(size=mean.shape)
    assert_gaussian_moments(back, *marginal(schedule, t - 1))


@FLAT
@given(
    N=st.integers(1, 150),
    D=st.integers(1, 130),
    seed=SEED,
    first=st.integers(0, 2**32 - 150),
    each=st.booleans(),
    one_step=st.sampled_from([q_sample, q_step]),
)
def test_kernel_and_definition_agree_to_rounding(
    N: int, D: int, seed: int, first: int, each: bool, one_step: Callable[..., Any]
) -> None:
    rng = np.random.default_rng([N, D])
    x = rng.normal(size=(N, D)).astype(np.float32)
    t = rng.integers(1, 1001, N) if each else int(rng.integers(1, 1001))
    (xt, eps), (defined_xt, defined_eps) = (
        one_step(x, t, LINEAR, seed, first=first, backend=backend) for backend in BACKENDS
    )
    assert {array.dtype for array in (xt, eps, defined_xt, defined_eps)} == {np.dtype(np.float32)}
    assert np.abs(eps - defined_eps).max() <= NORMAL_ERROR
    # Two products and a sum, each rounded to 2^-24: on both sides.
    rounding = 4 * 2.0**-24 * (np.abs(x) + np.abs(eps))
    assert (np.abs(xt - defined_xt) <= NORMAL_ERROR + rounding).all()


@pytest.mark.parametrize("each", [False, True])
def test_a_backend_is_the_one_of_its_name_to_the_bit(each: bool) -> None:
    """In float32, where the definition's and the kernel's last bits differ."""
    x = np.random.default_rng(22).normal(size=(200, 70)).astype(np.float32)
    t = np.random.default_rng(23).integers(1, 1001, 200) if each else np.array(700)
    signal, sigma = np.sqrt(LINEAR.alpha_bar[t]), np.sqrt(1.0 - LINEAR.alpha_bar[t])
    defined = noised(x, signal, sigma, t, 5, STREAM_JUMP, 24)
    in_float32 = [np.full(200, values, np.float32) for values in (signal, sigma)]
    compiled = noising.noised(x, *in_float32, np.full(200, t), 5, STREAM_JUMP, split_seed(24))[:2]
    for backend, expected in (("numpy", defined), ("numba", compiled)):
        for found, array in zip(q_sample(x, t, LINEAR, 24, first=5, backend=backend), expected, strict=True):
            np.testing.assert_array_equal(found, array)
    assert (defined[0] != compiled[0]).any()
    assert (defined[1] != compiled[1]).any()


@FLAT
@given(
    N=st.integers(2, 150),
    D=st.sampled_from([1, 2, 3, 5, 63, 64, 65, 70]),
    first=st.integers(0, 2**32 - 150),
    data=st.data(),
    backend=st.sampled_from(BACKENDS),
)
def test_a_split_call_gives_the_same_bits(N: int, D: int, first: int, data: st.DataObject, backend: Any) -> None:
    x = np.random.default_rng([N, D]).normal(size=(N, D)).astype(np.float32)
    t = np.random.default_rng(N).integers(1, 1001, N)
    cut = data.draw(st.integers(1, N - 1))
    for one_step in (q_sample, q_step):
        whole = one_step(x, t, LINEAR, 16, first=first, backend=backend)
        head = one_step(x[:cut], t[:cut], LINEAR, 16, first=first, backend=backend)
        tail = one_step(x[cut:], t[cut:], LINEAR, 16, first=first + cut, backend=backend)
        for all_rows, *parts in zip(whole, head, tail, strict=True):
            np.testing.assert_array_equal(np.concatenate(parts), all_rows)
    tail_of_chain = q_trajectory(x[cut:], SCHEDULES["linear 2"], 16, first=first + cut, backend=backend)[2]
    whole_chain = q_trajectory(x, SCHEDULES["linear 2"], 16, first=first, backend=backend)[2]
    np.testing.assert_array_equal(tail_of_chain, whole_chain[cut:])


def digest() -> str:
    """Of jumps and steps over short and long rows, none of them a whole number of chunks."""
    code = hashlib.sha256()
    for N, D in ((1000, 3), (333, 130)):
        x = np.random.default_rng(17).normal(size=(N, D)).astype(np.float32)
        for one_step in (q_sample, q_step):
            for array in one_step(x, 1 + np.arange(N) % 1000, LINEAR, seed=18):
                code.update(array.tobytes())
    return code.hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert digests(__file__) == [digest()] * len(THREADS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_of_any_shape_get_the_noise_of_the_flat_ones(backend: Any) -> None:
    x = np.random.default_rng(19).normal(size=(6, 4, 3, 2)).astype(np.float32)
    xt, eps = q_sample(x, 700, LINEAR, seed=20, backend=backend)
    flat_xt, flat_eps = q_sample(x.reshape(6, 24), 700, LINEAR, seed=20, backend=backend)
    assert xt.shape == eps.shape == x.shape
    np.testing.assert_array_equal(xt.reshape(6, 24), flat_xt)
    np.testing.assert_array_equal(eps.reshape(6, 24), flat_eps)


@pytest.mark.parametrize("backend", BACKENDS)
def test_dtypes_stay_and_what_is_no_float_becomes_float32(backend: Any) -> None:
    for given_dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (int, np.float32)):
        xt, eps = q_sample(np.ones((2, 2), given_dtype), 1, LINEAR, backend=backend)
        assert xt.dtype == eps.dtype == expected
    fortran = np.asfortranarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(
        q_sample(fortran, 1, LINEAR, backend=backend)[0], q_sample(fortran.copy("C"), 1, LINEAR, backend=backend)[0]
    )


def test_nothing_that_was_given_is_changed() -> None:
    x, t = np.ones((3, 2), np.float32), np.array([1, 2, 3])
    q_sample(x, t, LINEAR)
    q_step(x, t, LINEAR)
    q_trajectory(x, SCHEDULES["linear 10"])
    q_posterior(x, x, t, LINEAR)
    assert (x == 1.0).all()
    assert t.tolist() == [1, 2, 3]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(70, 3), (5, 2, 7, 9)])
def test_out_is_what_comes_back_and_holds_the_same_bits(backend: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    x, t = np.random.default_rng(25).normal(size=shape).astype(dtype), 1 + np.arange(shape[0])
    expected = q_sample(x, t, LINEAR, 26, first=3, backend=backend)
    out = np.full_like(x, 7.0), np.full_like(x, 7.0)
    found = q_sample(x, t, LINEAR, 26, first=3, out=out, backend=backend)
    for array, given_array, bits in zip(found, out, expected, strict=True):
        assert array is given_array
        np.testing.assert_array_equal(array, bits)


X0, ROOM = np.zeros((3, 4), np.float32), np.zeros((2, 3, 4), np.float32)
BAD_OUT = {
    "not a pair": X0,
    "one": (ROOM[0],),
    "three": (*ROOM, ROOM[0]),
    "no array": (ROOM[0], [[0.0] * 4] * 3),
    "shape": (ROOM[0], np.zeros((4, 3), np.float32)),
    "dtype": (ROOM[0], np.zeros((3, 4))),
    "order": (ROOM[0], np.zeros((4, 3), np.float32).T),
    "strides": (ROOM[0], np.zeros((3, 8), np.float32)[:, ::2]),
    "read-only": (ROOM[0], np.broadcast_to(np.float32(0), (3, 4))),
    "one for both": (ROOM[0], ROOM[0]),
    "x0 itself": (ROOM[0], X0),
    "overlapping": (ROOM[0], ROOM.reshape(6, 4)[2:5]),
}


@pytest.mark.parametrize("out", BAD_OUT.values(), ids=BAD_OUT)
def test_an_out_that_cannot_be_written_to_is_refused_before_it_is(out: Any) -> None:
    with pytest.raises(ValueError, match=r"^out: expected .*, got "):
        q_sample(X0, 1, LINEAR, out=out)
    assert not ROOM.any()
    assert not X0.any()


def test_what_comes_back_may_be_changed_without_changing_what_was_given() -> None:
    x = np.ones((3, 2), np.float32)
    for kept in q_trajectory(x, SCHEDULES["linear 2"]).values():
        kept[:] = 7.0
    assert (x == 1.0).all()


BAD_X = [
    np.zeros((0, 2)),
    np.zeros((3, 0)),
    np.zeros(3),
    1.0,
    np.full((3, 2), np.nan),
    np.array([[0.0, np.inf]]),
    np.zeros((3, 2), complex),
    "x",
    None,
    [[1.0], [1.0, 2.0]],
]
BAD_T = [0, 1001, -1, 1.0, True, "1", None, [1, 2], [[1], [2], [3]], [], np.array([1, 2, 1001])]
GOOD = dict(t=1, schedule=LINEAR, seed=0, first=0, backend="numba")
BAD = [
    *[("t", value) for value in BAD_T],
    *[("schedule", value) for value in (None, "linear", LINEAR.beta)],
    *[("seed", value) for value in (-1, 2**64, 0.5, None, True)],
    *[("first", value) for value in (-1, 2**32 - 2, 0.5, None)],
    *[("backend", value) for value in ("torch", 1)],
]


def shown(value: Any) -> str:
    return str(value)[:20].replace("\n", "")


@pytest.mark.parametrize("one_step", [q_sample, q_step])
@pytest.mark.parametrize(("name", "value"), [*BAD, *[("x", value) for value in BAD_X]], ids=shown)
def test_bad_arguments_of_a_step_are_refused_by_name(one_step: Callable[..., Any], name: str, value: Any) -> None:
    arguments = GOOD | {"x0" if one_step is q_sample else "x": np.zeros((3, 2))}
    name = next(key for key in arguments if key in (name, name + "0"))
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        one_step(**arguments | {name: value})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("one_step", [q_sample, q_step])
def test_what_is_not_finite_is_refused_by_each_backend(one_step: Callable[..., Any], backend: Any) -> None:
    """In float32: the kernel finds it while it works, the definition beforehand."""
    x = np.array([[0.0, 1.0], [np.nan, -np.inf]], np.float32)
    name = "x0" if one_step is q_sample else "x"
    with pytest.raises(
        ValueError, match=rf"^{name}: expected finite values, got 2 that are NaN or infinite in float32"
    ):
        one_step(x, 1, LINEAR, backend=backend)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[bad for bad in BAD if bad[0] != "t"],
        *[("x0", value) for value in BAD_X],
        *[("keep", value) for value in ([], [-1], [1001], [1.0], ["1"], [[1], [2]], "all")],
    ],
    ids=shown,
)
def test_bad_arguments_of_a_trajectory_are_refused_by_name(name: str, value: Any) -> None:
    arguments = dict(x0=np.zeros((3, 2)), schedule=LINEAR, seed=0, keep=[1], first=0, backend="numba")
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        q_trajectory(**arguments | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[bad for bad in BAD if bad[0] in ("t", "schedule")],
        *[("x0", value) for value in BAD_X],
        *[("xt", value) for value in (*BAD_X, np.zeros((3, 3)), np.zeros((1, 2)))],
    ],
    ids=shown,
)
def test_bad_arguments_of_the_posterior_are_refused_by_name(name: str, value: Any) -> None:
    arguments = dict(x0=np.zeros((3, 2)), xt=np.zeros((3, 2)), t=1, schedule=LINEAR)
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        q_posterior(**arguments | {name: value})


def test_the_seed_is_0_unless_told() -> None:
    x, schedule = np.ones((3, 2), np.float32), Schedule.linear(T=10)
    for draw in (q_sample, q_step):
        np.testing.assert_array_equal(draw(x, 4, schedule), draw(x, 4, schedule, 0))
    np.testing.assert_array_equal(q_trajectory(x, schedule)[10], q_trajectory(x, schedule, 0)[10])
