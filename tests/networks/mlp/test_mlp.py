"""The multilayer perceptron: its formula, its gradient, its kernel, and what it does with bad input."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from checks.gradcheck import BOUND, differentiated, errors, projected_errors, relative_error, slope, wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.backend import BACKENDS, Backend
from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.mlp import MLP

FLAT = settings(deadline=None, max_examples=30)
EMBEDDING = st.integers(1, 4).map(lambda half: 2 * half)
ROUNDING = 2.0**-24  # relative error of one float32 operation


def network(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, dtype: Any = np.float64
) -> MLP:
    """All weights and biases drawn, the output's too, so that no gradient and no output is zero."""
    model = MLP(dim, width, depth, embedding=embedding, residual=residual, dtype=dtype)
    rng = np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(values.shape[-1])
    return model


def points(seed: int, N: int, dim: int, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    return rng.normal(size=(N, dim)).astype(dtype), rng.integers(1, 1001, N)


def as_printed(model: MLP, x: np.ndarray, t: int) -> np.ndarray:
    """eps of one point, as the docstring of `networks/mlp.py` has it."""

    def silu(g: np.ndarray) -> np.ndarray:
        return g / (1.0 + np.exp(-g))

    p, half = model.params, model.config.embedding // 2
    w = np.array([10_000.0 ** (-k / max(half - 1, 1)) for k in range(half)])
    h = silu(p["input.weight"] @ np.hstack([x, np.sin(t * w), np.cos(t * w)]) + p["input.bias"])
    for layer in range(model.config.depth):
        g = p[f"hidden.{layer}.weight"] @ h + p[f"hidden.{layer}.bias"]
        h = silu(g) + h if model.config.residual else silu(g)
    return p["output.weight"] @ h + p["output.bias"]


def rounding_bound(model: MLP, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What float32 may do to eps: [N, D].  Errors of single numbers add in squares, as they have no common sign.

    A sum of K products and a bias rounds each partial sum; SiLU has a slope of at most 1.1, and its own error stays
    below 1e-6 max(1, |g|).  Six times the standard error that follows.
    """

    def through(name: str, h: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = (model.params[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        squares = h**2 @ (weight**2).T + bias**2
        return h @ weight.T + bias, variance @ (weight**2).T + (weight.shape[1] + 1) * ROUNDING**2 * squares

    h = np.hstack([x.astype(np.float64), model.embed(t).astype(np.float64)])
    variance = (ROUNDING * h) ** 2
    for name in ("input", *(f"hidden.{layer}" for layer in range(model.config.depth))):
        g, variance_g = through(name, h, variance)
        y, variance_y = g / (1.0 + np.exp(-g)), 1.1**2 * variance_g + (1e-6 * np.maximum(1.0, np.abs(g))) ** 2
        skip = model.config.residual and name != "input"
        h, variance = (y + h, variance_y + variance + (ROUNDING * (y + h)) ** 2) if skip else (y, variance_y)
    return 6.0 * np.sqrt(through("output", h, variance)[1])


def shapes(most: int, widest: int) -> dict[str, st.SearchStrategy]:
    return dict(
        seed=st.integers(0, 10_000),
        dim=st.integers(1, 5),
        width=st.integers(1, widest),
        depth=st.integers(0, 4),
        embedding=EMBEDDING,
        residual=st.booleans(),
        N=st.integers(1, most),
    )


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
    _, caches = definition.forward(model.params, x, t, residual)
    dx, gradients = definition.backward(model.params, deps, caches, residual)
    found = errors(lambda: float((deps * model(x, t)).sum()), {"x": x, **model.params}, {"x": dx, **gradients})
    assert wrong(found) == []


@pytest.mark.parametrize("residual", [False, True])
def test_backward_of_the_default_size(residual: bool) -> None:
    model, (x, t) = network(0, 2, 128, 3, 64, residual), points(0, 16, 2)
    deps = np.random.default_rng(2).normal(size=x.shape)
    _, caches = definition.forward(model.params, x, t, residual)
    dx, gradients = definition.backward(model.params, deps, caches, residual)
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


def test_jvp_of_float32_weights_is_float64_and_of_eps_alone() -> None:
    single, double = (MLP(2, 8, 1, learn_variance=True, dtype=dtype) for dtype in (np.float32, np.float64))
    single.buffer[:] = np.random.default_rng(0).normal(size=single.buffer.size)
    double.buffer[:] = single.buffer
    x, t = points(2, 5, 2)
    eps, along = single.jvp(x, t, np.ones((5, 2)))
    assert (eps.dtype, along.dtype) == (np.float64, np.float64)
    np.testing.assert_array_equal(eps, double(x, t))
    np.testing.assert_array_equal(along, double.jvp(x, t, np.ones((1, 5, 2)))[1][0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.zeros((3, 3))),
        ("t", [1, 2]),
        ("t", -1),
        ("tangent", np.zeros((2, 2))),
        ("tangent", np.zeros(2)),
        ("tangent", np.zeros((2, 3, 3))),
        ("tangent", np.full((3, 2), np.nan)),
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_jvp_is_refused_in_a_sentence_that_names_the_argument(name: str, value: Any) -> None:
    call = {"x": np.zeros((3, 2)), "t": 5, "tangent": np.zeros((3, 2))} | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        MLP(2, 4, 1).jvp(**call)


@FLAT
@given(**shapes(most=150, widest=70))
def test_kernel_and_definition_agree_to_rounding(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int
) -> None:
    model = network(seed, dim, width, depth, embedding, residual, np.float32)
    x, t = points(seed, N, dim, np.float32)
    doubles = {name: values.astype(np.float64) for name, values in model.params.items()}
    exact, _ = definition.forward(doubles, x.astype(np.float64), t, residual)
    bound = rounding_bound(model, x, t)
    for backend in BACKENDS:
        eps = model(x, t, backend=backend)
        assert eps.dtype == np.float32
        assert eps.shape == x.shape
        assert (np.abs(eps - exact) <= bound).all()
    assert bound.max() < 1e-3 * max(1.0, np.abs(exact).max())  # or it would say nothing


@FLAT
@given(**shapes(most=100, widest=40), data=st.data())
def test_a_row_is_the_same_to_the_bit_whatever_else_is_in_the_batch(
    seed: int, dim: int, width: int, depth: int, embedding: int, residual: bool, N: int, data: st.DataObject
) -> None:
    model = network(seed, dim, width, depth, embedding, residual, np.float32)
    x, t = points(seed, N, dim, np.float32)
    whole = model(x, t)
    k = data.draw(st.integers(1, N))
    np.testing.assert_array_equal(model(x[:k], t[:k]), whole[:k])
    chosen = np.array(data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=N)))
    np.testing.assert_array_equal(model(x[chosen], t[chosen]), whole[chosen])


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_step_for_all_is_that_step_for_each(backend: Backend) -> None:
    model, (x, t) = network(3, 2, 20, 1, 8, True, np.float32), points(3, 40, 2, np.float32)
    np.testing.assert_array_equal(model(x, int(t[0]), backend=backend), model(x, np.full(40, t[0]), backend=backend))
    assert (model(x, 1, backend=backend) != model(x, 2, backend=backend)).any(axis=1).all()


def test_float64_is_computed_in_float64() -> None:
    model, (x, t) = network(4, 2, 8, 1, 4, True), points(4, 3, 2)
    assert model(x, t).dtype == np.float64
    assert model(x.astype(np.float32), t).dtype == np.float64
    np.testing.assert_array_equal(model(x, t), model(x, t, backend="numpy"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_params_are_views_of_the_buffer_that_every_call_reads(backend: Backend) -> None:
    model, (x, t) = network(5, 2, 8, 2, 4, True, np.float32), points(5, 3, 2, np.float32)
    before = model(x, t, backend=backend)
    for values in model.params.values():
        assert np.shares_memory(values, model.buffer)
        values += 0.1
        after = model(x, t, backend=backend)
        assert (after != before).any()
        before = after
    model.buffer[:] = 0.0
    model.params["output.bias"][:] = 3.0
    np.testing.assert_array_equal(model(x, t, backend=backend), np.full((3, 2), 3.0))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", ["input.weight", "input.bias", "hidden.0.weight", "hidden.0.bias"])
def test_nan_in_the_weights_reaches_the_output(backend: Backend, name: str) -> None:
    model = network(6, 2, 8, 1, 4, True, np.float32)
    model.params[name].flat[0] = np.nan
    assert np.isnan(model(np.ones((3, 2)), 1, backend=backend)).any(axis=1).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_parameters_that_are_views_of_its_own_buffer(copied: Any) -> None:
    model, (x, t) = network(3, 2, 8, 1, 4, True, np.float32), points(3, 5, 2, np.float32)
    twin = copied(model)
    np.testing.assert_array_equal(twin(x, t), model(x, t))
    twin.buffer[:] = 0.0
    for backend in BACKENDS:
        assert not twin(x, t, backend=backend).any()


def test_parameters_have_the_names_and_shapes_of_the_layers() -> None:
    model = MLP(3, 5, 2, embedding=4)
    assert {name: values.shape for name, values in model.params.items()} == {
        "input.weight": (5, 7),
        "input.bias": (5,),
        "hidden.0.weight": (5, 5),
        "hidden.0.bias": (5,),
        "hidden.1.weight": (5, 5),
        "hidden.1.bias": (5,),
        "output.weight": (3, 5),
        "output.bias": (3,),
    }
    assert model.buffer.size == sum(values.size for values in model.params.values())
    assert model.shape == (3,)
    assert (
        repr(model)
        == "MLP(dim=3, width=5, depth=2, residual=True, embedding=4, learn_variance=False): 118 parameters"
    )


def test_training_starts_at_zero_with_weights_of_variance_one_over_inputs() -> None:
    """In the first layer x and the embedding count as inputs by themselves."""
    model, (x, t) = MLP(2, 200, 3, embedding=64, seed=1), points(6, 5, 2, np.float32)
    np.testing.assert_array_equal(model(x, t), np.zeros((5, 2)))
    drawn = {name: values for name, values in model.params.items() if "weight" in name and "output" not in name}
    first = drawn["input.weight"]
    for weight in (first[:, :2], first[:, 2:], *list(drawn.values())[1:]):
        scaled = weight.astype(np.float64) * np.sqrt(weight.shape[1])
        assert abs(scaled.mean()) < 5 / np.sqrt(weight.size)  # five standard errors: of z 1, of z^2 sqrt(2)
        assert abs((scaled**2).mean() - 1.0) < 5 * np.sqrt(2.0 / weight.size)
    for one, two in itertools.combinations(drawn.values(), 2):  # no two layers share their draw
        r = np.corrcoef(one[:, 2:60].ravel(), two[:, 2:60].ravel())[0, 1]
        assert abs(r) < 5 / np.sqrt(200 * 58)
    assert not any(values.any() for name, values in model.params.items() if "bias" in name)


def test_the_seed_decides_the_weights() -> None:
    buffers = [MLP(2, 8, 1, seed=seed).buffer for seed in (0, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(buffers[0], buffers[1])
    assert (buffers[0] != buffers[2]).any()
    assert (buffers[2] != buffers[3]).any()


@pytest.mark.parametrize(
    "arguments",
    [
        {"dim": 0},
        {"dim": 2.0},
        {"dim": True},
        {"width": 0},
        {"width": "wide"},
        {"depth": -1},
        {"depth": None},
        {"embedding": 0},
        {"embedding": 7},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 0.5},
        {"dtype": np.float16},
        {"dtype": int},
        {"dtype": "foo"},
        {"residual": "no"},
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_in_a_sentence_that_names_it(arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        MLP(**{"dim": 2, **arguments})


GOOD = {"x": np.zeros((3, 2), np.float32), "t": 5, "backend": "numba"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", np.zeros((3, 3))),
        ("x", np.zeros(2)),
        ("x", np.zeros((3, 2, 1))),
        ("x", np.zeros((0, 2))),
        ("x", np.full((3, 2), np.nan)),
        ("x", np.full((3, 2), np.inf)),
        ("x", np.full((3, 2), 1e39)),  # infinite in float32
        ("x", np.zeros((3, 2), complex)),
        ("x", "points"),
        ("x", None),
        ("t", -1),
        ("t", 2**31),
        ("t", 1.0),
        ("t", True),
        ("t", [1, 2]),
        ("t", np.ones((3, 1), int)),
        ("t", []),
        ("t", None),
        ("backend", "torch"),
        ("backend", None),
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_call_is_refused_in_a_sentence_that_names_the_argument(name: str, value: Any) -> None:
    call = GOOD | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        MLP(2, 4, 1)(call["x"], call["t"], backend=call["backend"])
