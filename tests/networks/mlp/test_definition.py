"""The MLP in NumPy: its printed formula, its gradient, and its derivative along a tangent."""

from __future__ import annotations

import numpy as np
import pytest
from checks.gradcheck import BOUND, differentiated, errors, projected_errors, relative_error, slope, wrong
from checks.mlp import network, points, shapes
from hypothesis import given, settings

from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.mlp import MLP

FLAT = settings(deadline=None, max_examples=30)


def as_printed(model: MLP, x: np.ndarray, t: int) -> np.ndarray:
    """eps of one point, as the docstring of `networks/mlp/definition.py` has it."""

    def silu(g: np.ndarray) -> np.ndarray:
        return g / (1.0 + np.exp(-g))

    p, half = model.params, model.config.embedding // 2
    w = np.array([10_000.0 ** (-k / max(half - 1, 1)) for k in range(half)])
    waves = [wave(2.0 * np.pi * 2.0**k / 8.0 * x) for k in range(model.config.octaves) for wave in (np.sin, np.cos)]
    h = silu(p["input.weight"] @ np.hstack([x, *waves, np.sin(t * w), np.cos(t * w)]) + p["input.bias"])
    for layer in range(model.config.depth):
        g = p[f"hidden.{layer}.weight"] @ h + p[f"hidden.{layer}.bias"]
        h = silu(g) + h if model.config.residual else silu(g)
    return p["output.weight"] @ h + p["output.bias"]


@FLAT
@given(**shapes(most=3, widest=9))
def test_forward_is_the_printed_formula(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int
) -> None:
    model, (x, t) = network(seed, dim, width, depth, embedding, residual), points(seed, N, dim)
    expected = [as_printed(model, row, int(step)) for row, step in zip(x, t, strict=True)]
    np.testing.assert_allclose(model(x, t), expected, rtol=1e-12, atol=1e-12)


@FLAT
@given(**shapes(most=3, widest=5))
def test_backward_is_the_gradient_of_x_and_of_every_parameter(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int
) -> None:
    model, (x, t) = network(seed, dim, width, depth, embedding, residual), points(seed, N, dim)
    deps = np.random.default_rng([seed, 2]).normal(size=x.shape)
    _, caches = definition.forward(model.params, model.config, x, t)
    dx, gradients = definition.backward(model.params, model.config, deps, caches)
    found = errors(lambda: float((deps * model(x, t)).sum()), {"x": x, **model.params}, {"x": dx, **gradients})
    assert wrong(found) == []


@pytest.mark.parametrize("residual", [False, True])
def test_backward_of_the_default_size(residual: bool) -> None:
    model, (x, t) = network(0, 2, 128, 3, 64, residual), points(0, 16, 2)
    deps = np.random.default_rng(2).normal(size=x.shape)
    _, caches = definition.forward(model.params, model.config, x, t)
    dx, gradients = definition.backward(model.params, model.config, deps, caches)
    loss = lambda: float((deps * model(x, t)).sum())  # noqa: E731
    assert wrong(projected_errors(loss, {"x": x, **model.params}, {"x": dx, **gradients})) == []


@FLAT
@given(**shapes(most=3, widest=9))
def test_jvp_is_the_derivative_along_each_tangent(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int
) -> None:
    """Each tangent of a stack and one alone; its rows do not mix, since J is that of each sample."""
    model, (x, t) = network(seed, dim, width, depth, embedding, residual), points(seed, N, dim)
    rng = np.random.default_rng([seed, 3])
    tangents, deps = rng.normal(size=(2, N, dim)), rng.normal(size=x.shape)
    eps, along = model.jvp(x, t, tangents)
    np.testing.assert_array_equal(eps, model(x, t))
    assert along.shape == tangents.shape
    for tangent, found in zip(tangents, along, strict=True):
        expected = slope(lambda: float((deps * model(x, t)).sum()), x, tangent)
        assert relative_error(np.array(expected), (deps * found).sum()) < BOUND
        np.testing.assert_allclose(model.jvp(x, t, tangent)[1], found, rtol=1e-12, atol=1e-12)


def test_the_trace_by_unit_vectors_is_that_by_differences() -> None:
    model, (x, t) = network(1, 3, 8, 2, 4, True), points(1, 1, 3)
    jacobian = np.array([differentiated(lambda d=d: float(model(x, t)[0, d]), x)[0] for d in range(3)])
    along = model.jvp(x, int(t[0]), np.eye(3)[:, None])[1]
    assert relative_error(jacobian, along[:, 0].T) < BOUND
    assert relative_error(np.trace(jacobian), np.einsum("knk->n", along)[0]) < BOUND
