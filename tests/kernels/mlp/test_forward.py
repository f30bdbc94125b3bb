"""The compiled MLP: the bias that stands for a step, and the chain in one call against a loop."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pytest
from checks.threads import THREADS, digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.mlp import forward as mlp_forward
from numpy_diffusion.kernels.vector.registers import LANES, ROWS
from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.noise import STREAM_REVERSE, normal, split_seed
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling import samplers

FLAT = settings(deadline=None, max_examples=30)
SEED = 77


class Rows(NamedTuple):
    """A made-up table, its numbers float64 but float32 in value: t, noise, accept [K] and p .. c [K, 6 + D]."""

    t: np.ndarray
    noise: np.ndarray
    accept: np.ndarray
    numbers: np.ndarray


def network(seed: int, dim: int, width: int, depth: int, residual: bool = True, learn_variance: bool = False) -> MLP:
    structure = dict(embedding=6, octaves=seed % 4, residual=residual, learn_variance=learn_variance)
    model = MLP(dim, width, depth, **structure)
    rng = np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(values.shape[-1])
    return model


def steps(seed: int, K: int, dim: int, plain: bool = False) -> Rows:
    """One row in three has no noise, and one in three does not accept; with `plain` all is a x + b eps + c z."""
    rng = np.random.default_rng(seed)
    t, noise = rng.permutation(1000)[:K] + 1, rng.permutation(1000)[:K] + 1
    p, q, a = rng.uniform(-0.5, 0.5, K), rng.uniform(0.5, 1.0, K), rng.uniform(0.8, 1.1, K)
    b, c = rng.uniform(-0.3, 0.3, (K, 3)), rng.uniform(0.0, 0.3, (K, dim))
    accept = rng.permutation(K) % 3 > 0
    c[2::3] = 0.0
    if plain:
        p[:], q[:], b[:, 1:], c[:], accept[:] = 0.0, 1.0, 0.0, c[:, :1], True
    return Rows(t, noise, accept, np.column_stack([p, q, a, b, c]).astype(np.float32).astype(np.float64))


def in_one_call(model: MLP, x: np.ndarray, chain: Rows, first: int, cuts: list[int]) -> np.ndarray:
    """The chain by the kernel, in as many calls as there are parts between the cuts."""
    parameters, state = model._kernels().network, mlp_forward.start(x)
    bias = mlp_forward.time_bias(parameters, model.embed(chain.t))
    for low, high in zip([0, *cuts], [*cuts, len(chain.t)], strict=True):
        part = slice(low, high)
        mlp_forward.chain(
            parameters,
            model.config.residual,
            first,
            chain.noise[part],
            chain.accept[part],
            chain.numbers[part].astype(np.float32),
            bias[part],
            STREAM_REVERSE,
            split_seed(SEED),
            state,
        )
    return mlp_forward.point(state, *x.shape)


def as_a_loop(model: MLP, x: np.ndarray, chain: Rows, first: int, stir: float = 0.0) -> np.ndarray:
    """The rows as `solvers` defines them, in float64; `stir` adds so much to each number at each row, or takes it."""
    params = {name: values.astype(np.float64) for name, values in model.params.items()}
    x, rng, samples, D = x.astype(np.float64), np.random.default_rng(1), first + np.arange(len(x)), x.shape[1]
    y, d1, d2 = x, 0.0, 0.0
    for t, noise, accept, (p, q, a, b0, b1, b2, *c) in zip(*chain, strict=True):
        outputs, _ = definition.forward(params, model.config, y, np.full(len(x), t))
        d0 = p * y + q * outputs[:, :D]
        y = a * x + b0 * d0 + b1 * d1 + b2 * d2 + np.array(c) * normal(SEED, STREAM_REVERSE, samples, noise, D)
        y = y + stir * rng.choice([-1.0, 1.0], x.shape)
        x = y if accept else x
        d1, d2 = d0, d1
    return y


@FLAT
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 3 * LANES + 1),
    dim=st.integers(1, 19),
    width=st.integers(1, 40),
    depth=st.integers(0, 3),
    residual=st.booleans(),
    first=st.sampled_from([0, 1, LANES, 2**31 - 3, 2**32 - 200]),
    learn_variance=st.booleans(),
    plain=st.booleans(),
)
def test_chain_is_the_loop_to_rounding(
    seed: int,
    n: int,
    dim: int,
    width: int,
    depth: int,
    residual: bool,
    first: int,
    learn_variance: bool,
    plain: bool,
) -> None:
    model, chain = network(seed, dim, width, depth, residual, learn_variance), steps(seed, 6, dim, plain)
    x = np.random.default_rng([seed, 1]).normal(size=(n, dim)).astype(np.float32)
    exact = as_a_loop(model, x, chain, first)
    # One step is off by the normals' 1e-6 and by float32, 2e-6 in all; what the chain makes of that is tried out.
    amplified = max(2e-6, np.abs(as_a_loop(model, x, chain, first, stir=2e-6) - exact).max())
    assert np.abs(in_one_call(model, x, chain, first, []) - exact).max() <= 2.0 * amplified
    assert amplified < 1e-3


@FLAT
@given(seed=st.integers(0, 10_000), n=st.integers(2, 3 * LANES), dim=st.integers(1, 6), data=st.data())
def test_chain_does_not_depend_on_its_split_to_the_bit(seed: int, n: int, dim: int, data: st.DataObject) -> None:
    model, chain = network(seed, dim, 9, 1), steps(seed, 6, dim)
    x = np.random.default_rng([seed, 1]).normal(size=(n, dim)).astype(np.float32)
    whole = in_one_call(model, x, chain, 40, [])
    cut = data.draw(st.integers(1, n - 1))
    np.testing.assert_array_equal(in_one_call(model, x[:cut], chain, 40, []), whole[:cut])
    np.testing.assert_array_equal(in_one_call(model, x[cut:], chain, 40 + cut, []), whole[cut:])
    np.testing.assert_array_equal(in_one_call(model, x, chain, 40, [1, 2, 4]), whole)


def digest() -> str:
    model, chain = network(3, 3, 21, 2), steps(3, 5, 3)
    x = np.random.default_rng(4).normal(size=(7 * LANES + 5, 3)).astype(np.float32)
    t = 1 + np.arange(len(x)) % 999
    results = (
        in_one_call(model, x, chain, 9, []),
        model(x, t),
        mlp_forward.time_bias(model._kernels().network, model.embed(t)),
    )
    return hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert digests(__file__) == [digest()] * len(THREADS)


@FLAT
@given(
    seed=st.integers(0, 10_000),
    K=st.integers(1, 3 * LANES),
    dim=st.integers(1, 9),
    width=st.integers(1, 40),
    learn_variance=st.booleans(),
)
def test_time_bias_is_the_first_layers_view_of_the_step(
    seed: int, K: int, dim: int, width: int, learn_variance: bool
) -> None:
    model = network(seed, dim, width, 1, learn_variance=learn_variance)
    embedding = model.embed(np.random.default_rng(seed).integers(1, 1001, K))
    bias = mlp_forward.time_bias(model._kernels().network, embedding)
    weight, offset = (model.params[f"input.{name}"].astype(np.float64) for name in ("weight", "bias"))
    weight = weight[:, -embedding.shape[1] :]
    exact = embedding.astype(np.float64) @ weight.T + offset
    # Six products and a sum: eight roundings at the most.
    allowed = 8 * 2.0**-24 * (np.abs(embedding) @ np.abs(weight).T + np.abs(offset))
    assert (np.abs(bias[:, :width] - exact) <= allowed).all()
    assert bias.shape[0] == K


@FLAT
@given(n=st.integers(1, 4 * LANES + 1), dim=st.integers(1, 20))
def test_lanes_and_rows_are_each_others_inverse(n: int, dim: int) -> None:
    x = np.arange(1, n * dim + 1, dtype=np.float32).reshape(n, dim)
    packed = mlp_forward.lanes(x)
    assert packed.shape == (-(-n // LANES), ROWS * -(-dim // ROWS), LANES)
    assert packed.ctypes.data % 64 == 0
    for sample in {0, n // 2, n - 1}:
        np.testing.assert_array_equal(packed[sample // LANES, :dim, sample % LANES], x[sample])
    assert np.count_nonzero(packed) == x.size  # the rest is zeros
    back = mlp_forward.rows(packed, n, dim)
    np.testing.assert_array_equal(back, x)
    assert back.flags.c_contiguous
    assert not np.shares_memory(back, packed)


@FLAT
@given(n=st.integers(1, 4 * LANES + 1), dim=st.integers(1, 20))
def test_a_chain_starts_with_base_and_point_at_x(n: int, dim: int) -> None:
    x = np.arange(1, n * dim + 1, dtype=np.float32).reshape(n, dim)
    state = mlp_forward.start(x)
    assert state.ctypes.data % 64 == 0
    np.testing.assert_array_equal(mlp_forward.point(state, n, dim), x)
    np.testing.assert_array_equal(state[:, 0], state[:, 1])
    assert not state[:, 2:].any()


@pytest.mark.parametrize("width", range(1, 2 * ROWS + 2))
def test_what_lies_behind_a_matrix_has_no_part_in_its_rows(width: int) -> None:
    """The last tile reads on into the next layer's weights, here up to 1e30 in size: eps only scales with them."""
    model, x = network(width, 2, width, 0), np.random.default_rng(5).normal(size=(50, 2)).astype(np.float32)
    model.params["output.bias"][:] = 0.0
    eps = model(x, 3)
    for sign in (-1.0, 1.0):
        model.params["output.weight"][:] *= sign * np.float32(2.0**100)
        np.testing.assert_allclose(model(x, 3), sign * 2.0**100 * eps, rtol=0, atol=2.0**100 * 3e-6)
        model.params["output.weight"][:] *= sign * np.float32(2.0**-100)


def test_a_network_that_cannot_be_written_can_be_drawn_from() -> None:
    """As joblib maps one into memory, and hands it to its workers."""
    model, schedule = MLP(2, 8, 1), Schedule.linear(T=5)
    expected = samplers.sample(model, schedule, 9)
    for array in (model.buffer, model.shift, model.scale, *model.params.values()):
        array.flags.writeable = False
    np.testing.assert_array_equal(samplers.sample(model, schedule, 9), expected)
