"""The probability flow in one kernel against the integration in NumPy that defines it."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
from checks.threads import THREADS, digests
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.evaluation import likelihood
from numpy_diffusion.kernels.backend import backend
from numpy_diffusion.kernels.mlp import flow
from numpy_diffusion.kernels.vector.double import LANES
from numpy_diffusion.models.protocol import members
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.probability_flow import plan
from numpy_diffusion.process.schedules import Schedule

LINEAR = Schedule.linear(T=1000)
BAR = SimpleNamespace(advance=lambda steps=1: None)


def network(seed: int, dim: int, width: int, depth: int, residual: bool = True, learn_variance: bool = False) -> MLP:
    """All weights drawn, so mild that no path runs away."""
    structure = dict(embedding=6, octaves=seed % 4, residual=residual, learn_variance=learn_variance)
    model = MLP(dim, width, depth, **structure)
    rng = np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = 0.5 * rng.normal(size=values.shape) / np.sqrt(values.shape[-1])
    return model


def points(seed: int, n: int, dim: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).normal(size=(n, dim))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 2 * LANES + 1),
    dim=st.integers(1, 9),
    width=st.integers(1, 40),
    depth=st.integers(0, 3),
    residual=st.booleans(),
    learn_variance=st.booleans(),
    probes=st.integers(0, 2),
    steps=st.integers(1, 12),
)
def test_the_path_is_the_definitions_to_rounding(
    seed: int,
    n: int,
    dim: int,
    width: int,
    depth: int,
    residual: bool,
    learn_variance: bool,
    probes: int,
    steps: int,
) -> None:
    model, x, nodes = (
        network(seed, dim, width, depth, residual, learn_variance),
        points(seed, n, dim),
        plan(LINEAR, steps),
    )
    signs = likelihood._signs(seed, np.arange(n), probes, (dim,)) if probes else None
    tangents = likelihood._basis(x.shape) if signs is None else signs
    xT, integral = likelihood._integrated(members(model), nodes, x, tangents, BAR)
    stops = sorted({min(steps, 4), steps})
    found = list(model.own_flow(x, nodes, signs, stops))
    assert len(found) == len(stops)
    size = 1.0 + np.abs(xT).max() + np.abs(integral).max()
    np.testing.assert_allclose(found[-1][0], xT, rtol=0, atol=1e-11 * size)
    np.testing.assert_allclose(found[-1][1], integral, rtol=0, atol=1e-11 * size)


def test_a_sample_is_the_same_to_the_bit_in_any_batch_and_with_any_stops() -> None:
    model, x, nodes = network(3, 3, 20, 2), points(3, 2 * LANES + 5, 3), plan(LINEAR, 9)
    signs = likelihood._signs(3, np.arange(len(x)), 2, (3,))
    for given_signs in (None, signs):
        *_, whole = model.own_flow(x, nodes, given_signs, [4, 9])
        for rows in (slice(0, 1), slice(1, LANES + 2), slice(LANES + 2, None)):
            part = None if given_signs is None else given_signs[:, rows]
            *_, found = model.own_flow(x[rows], nodes, part, [4, 5, 7, 9])
            for one, all_rows in zip(found, whole, strict=True):
                np.testing.assert_array_equal(one, all_rows[rows])


def digest() -> str:
    code, x = hashlib.sha256(), points(5, 5 * LANES + 3, 2)
    for array in list(network(5, 2, 24, 2).own_flow(x, plan(LINEAR, 8), None, [4, 8]))[-1]:
        code.update(array.tobytes())
    return code.hexdigest()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    assert digests(__file__) == [digest()] * len(THREADS)


def test_the_likelihood_takes_the_kernel_and_the_definition_where_told() -> None:
    """They differ in the last bits, and in no more."""
    model, x = network(7, 2, 32, 2), points(7, 300, 2)
    found = likelihood.log_prob(model, LINEAR, x, steps=20)
    with backend("numpy"):
        assert model.own_flow(x, plan(LINEAR, 20), None, [4, 20]) is None
        defined = likelihood.log_prob(model, LINEAR, x, steps=20)
    np.testing.assert_allclose(found, defined, rtol=0, atol=1e-11)
    assert (found != defined).any()


def test_a_path_that_is_not_finite_is_told_with_its_step() -> None:
    model = network(8, 2, 8, 1)
    model.params["output.weight"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^model.jvp: eps at t = 100: expected finite values"):
        likelihood.log_prob(model, LINEAR, points(8, 3, 2), steps=10)


def test_lanes_hold_each_sample_once_and_the_last_one_behind_it() -> None:
    x = np.arange(3.0 * (LANES + 2) * 2).reshape(3, LANES + 2, 2)
    packed = flow.lanes(x)
    assert packed.shape == (2, 3, 2, LANES)
    assert packed.flags.c_contiguous
    np.testing.assert_array_equal(packed[0].transpose(0, 2, 1), x[:, :LANES])
    np.testing.assert_array_equal(packed[1].transpose(0, 2, 1)[:, :2], x[:, LANES:])
    assert (packed[1].transpose(0, 2, 1)[:, 2:] == x[:, -1:]).all()
