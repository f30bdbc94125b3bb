"""The gradient check itself: right gradients pass, and each planted fault is found in the array that has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from checks.gradcheck import differentiated, errors, projected_errors, slope, wrong

from numpy_diffusion.layers import linear, silu
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.mlp import definition
from numpy_diffusion.networks.mlp.mlp import MLP

Check = Callable[..., dict[str, float]]
Case = tuple[Callable[[], float], dict[str, np.ndarray], dict[str, np.ndarray]]
CHECKS = pytest.mark.parametrize("check", [errors, projected_errors])

N = SIZE = 4  # square, so that a transposed gradient still fits
DY = np.random.default_rng(0).normal(size=(N, SIZE))


def linear_case() -> Case:
    rng = np.random.default_rng(1)
    arrays = {"x": rng.normal(size=(N, SIZE)), "weight": rng.normal(size=(SIZE, SIZE)), "bias": rng.normal(size=SIZE)}
    gradients = dict(zip(arrays, linear.backward(DY, linear.forward(**arrays)[1]), strict=True))
    return lambda: float((DY * linear.forward(**arrays)[0]).sum()), arrays, gradients


def silu_case() -> Case:
    x = 2.0 * np.random.default_rng(2).normal(size=(N, SIZE))
    return lambda: float((DY * silu.forward(x)[0]).sum()), {"x": x}, {"x": silu.backward(DY, silu.forward(x)[1])}


def network_case(width: int = SIZE) -> Case:
    rng = np.random.default_rng(3)
    model = MLP(2, width, 2, embedding=4, dtype=np.float64)
    model.buffer[:] = rng.normal(size=model.buffer.shape) / np.sqrt(width)
    x, t, deps = rng.normal(size=(N, 2)), np.array([1, 7, 7, 900]), rng.normal(size=(N, 2))
    dx, gradients = definition.backward(
        model.params, model.config, deps, definition.forward(model.params, model.config, x, t)[1]
    )

    def loss() -> float:
        return float((deps * definition.forward(model.params, model.config, x, t)[0]).sum())

    return loss, {"x": x, **model.params}, {"x": dx, **gradients}


CASES = {"linear": linear_case, "silu": silu_case, "network": network_case}


def without_first_entry(gradient: np.ndarray) -> np.ndarray:
    changed = gradient.copy()
    changed.flat[0] = 0.0
    return changed


def one_entry_off(gradient: np.ndarray) -> np.ndarray:
    changed = gradient.copy()
    changed.flat[np.abs(gradient).argmax()] *= 1.001
    return changed


FAULTS = {
    "0.1 %": lambda gradient: 1.001 * gradient,
    "0.1 % of one entry": one_entry_off,
    "sign": lambda gradient: -gradient,
    "one entry missing": without_first_entry,
    "transposed": lambda gradient: np.ascontiguousarray(gradient.T),
    "reversed": lambda gradient: gradient[::-1],
    "another shape": lambda gradient: gradient[None],
}
PLANTED = [
    (case, name, fault)
    for case, build in CASES.items()
    for name, x in build()[1].items()
    for fault in FAULTS
    if x.ndim == 2 or fault != "transposed"
]


@CHECKS
@pytest.mark.parametrize("case", CASES)
def test_right_gradients_pass(case: str, check: Check) -> None:
    assert wrong(check(*CASES[case]())) == []


@CHECKS
@pytest.mark.parametrize(("case", "name", "fault"), PLANTED)
def test_each_fault_in_each_gradient_is_found(case: str, name: str, fault: str, check: Check) -> None:
    loss, arrays, gradients = CASES[case]()
    assert wrong(check(loss, arrays, gradients | {name: FAULTS[fault](gradients[name])})) == [name]


@CHECKS
def test_a_missing_term_of_a_layers_sum_is_found(check: Check) -> None:
    loss, arrays, _ = linear_case()
    x, weight = arrays["x"], arrays["weight"]
    short = {"x": DY[:, 1:] @ weight[1:], "weight": DY[1:].T @ x[1:], "bias": DY[1:].sum(axis=0)}
    assert wrong(check(loss, arrays, short)) == ["x", "weight", "bias"]

    loss, arrays, _ = silu_case()
    _, sigmoid = silu.forward(arrays["x"])[1]
    assert wrong(check(loss, arrays, {"x": DY * sigmoid})) == ["x"]  # without x s (1 - s)


@CHECKS
@pytest.mark.parametrize(
    ("layer", "fault", "blamed"),
    [
        # What is wrong in one layer's dx is wrong in all that lies before it.
        (linear, lambda backward, *a: (1.001 * backward(*a)[0], *backward(*a)[1:]), {"x", "hidden.0", "input"}),
        (linear, lambda backward, *a: (backward(*a)[0], 1.001 * backward(*a)[1], backward(*a)[2]), {"weight"}),
        (linear, lambda backward, *a: (*backward(*a)[:2], backward(*a)[2][::-1]), {"bias"}),
        (silu, lambda backward, *a: 1.001 * backward(*a), {"x", "hidden", "input"}),
        (silu, lambda backward, dy, cache: dy * cache[1], {"x", "hidden", "input"}),
    ],
    ids=["linear dx", "linear dweight", "linear dbias", "silu 0.1 %", "silu without its second term"],
)
def test_a_fault_in_a_layer_is_found_in_the_network(
    monkeypatch: pytest.MonkeyPatch, layer: Any, fault: Callable[..., Any], blamed: set[str], check: Check
) -> None:
    backward = layer.backward
    monkeypatch.setattr(layer, "backward", lambda *args: fault(backward, *args))
    found = wrong(check(*network_case()))
    assert {name for name in network_case()[1] if any(part in name for part in blamed)} <= set(found)


@CHECKS
def test_a_forgotten_skip_connection_is_found(monkeypatch: pytest.MonkeyPatch, check: Check) -> None:
    backward = definition.backward

    def forgetful(params: Any, config: Any, deps: np.ndarray, caches: Any) -> Any:
        return backward(params, dataclasses.replace(config, residual=False), deps, caches)

    monkeypatch.setattr(definition, "backward", forgetful)
    found = wrong(check(*network_case()))
    assert found == ["x", "input.weight", "input.bias", "hidden.0.weight", "hidden.0.bias"]


def test_a_large_network_passes_by_projection_and_its_faults_do_not() -> None:
    loss, arrays, gradients = network_case(width=128)
    assert sum(x.size for x in arrays.values()) > 30_000
    assert wrong(projected_errors(loss, arrays, gradients)) == []
    turned = gradients["hidden.1.weight"].T
    assert wrong(projected_errors(loss, arrays, gradients | {"hidden.1.weight": turned})) == ["hidden.1.weight"]


def test_a_forgotten_parameter_is_found() -> None:
    loss, arrays, gradients = network_case()
    del gradients["output.bias"]
    with pytest.raises(KeyError, match=r"output\.bias"):
        errors(loss, arrays, gradients)
    with pytest.raises(KeyError, match=r"output\.bias"):
        projected_errors(loss, arrays, gradients)


def test_a_gradient_of_nan_is_found() -> None:
    loss, arrays, gradients = silu_case()
    gradients["x"][0, 0] = np.nan
    assert wrong(errors(loss, arrays, gradients)) == ["x"]
    assert wrong(projected_errors(loss, arrays, gradients)) == ["x"]


def test_differences_leave_the_arrays_as_they_were_and_refuse_float32() -> None:
    buffer = np.arange(1.0, 5.0)
    before, params = buffer.copy(), parameters.views(buffer, {"w": (2, 2)})
    np.testing.assert_allclose(differentiated(lambda: float((buffer**3).sum()), params["w"]).ravel(), 3 * before**2)
    np.testing.assert_array_equal(buffer, before)
    with pytest.raises(TypeError, match="float64"):
        slope(lambda: 0.0, np.zeros(1, np.float32), np.ones(1))
