"""The multilayer perceptron: its parameters, its first weights, and what it does with bad input."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.mlp import network, points
from checks.networks import check_network

from numpy_diffusion.kernels.backend import BACKENDS, Backend
from numpy_diffusion.networks.mlp.mlp import MLP


@pytest.mark.parametrize("learn_variance", [False, True])
def test_it_holds_what_every_network_holds(learn_variance: bool, tmp_path: Path) -> None:
    check_network(MLP(3, 20, 2, residual=not learn_variance, learn_variance=learn_variance), tmp_path)


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
        ("labels", 1),
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_jvp_is_refused_in_a_sentence_that_names_the_argument(name: str, value: Any) -> None:
    call = {"x": np.zeros((3, 2)), "t": 5, "tangent": np.zeros((3, 2))} | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        MLP(2, 4, 1).jvp(**call)


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
        == "MLP(dim=3, width=5, depth=2, residual=True, embedding=4, octaves=0, learn_variance=False): 118 parameters"
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
    ],
    ids=lambda value: str(value)[:20].replace("\n", ""),
)
def test_a_bad_call_is_refused_in_a_sentence_that_names_the_argument(name: str, value: Any) -> None:
    call = GOOD | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got "):
        MLP(2, 4, 1)(call["x"], call["t"], backend=call["backend"])
