"""The check for every network finds what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import networks

from numpy_diffusion.models import parameters
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks import registry
from numpy_diffusion.networks.mlp.mlp import MLP


class _WrongGradient(MLP):
    def backward(self, params: Any, doutputs: np.ndarray, caches: Any) -> Any:
        dx, grads = super().backward(params, doutputs, caches)
        return dx, grads | {"hidden.0.bias": grads["hidden.0.bias"] * (1.0 + 1e-5)}


class _WrongGradientOfX(MLP):
    def backward(self, params: Any, doutputs: np.ndarray, caches: Any) -> Any:
        dx, grads = super().backward(params, doutputs, caches)
        return dx[::-1], grads


class _WrongKernel(MLP):
    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        return super().own_outputs(x, t, condition) * np.float32(1.001)


class _WrongSteps(MLP):
    def own_steps(self, task: Any) -> Any:
        take = super().own_steps(task)
        return lambda state, count, *rest: take(state, count, rest[0] // 2 + 1, *rest[1:])


class _WrongChain(MLP):
    def own_chain(self, x: np.ndarray, *rest: Any) -> Any:
        return super().own_chain(x * np.float32(0.99), *rest)


class _PlaceInTheBatch(MLP):
    def own_outputs(self, x: np.ndarray, t: np.ndarray, condition: Condition) -> np.ndarray:
        return super().own_outputs(x, t, condition) + np.float32(1e-7) * np.arange(len(x), dtype=np.float32)[:, None]


class _StaleCopy(MLP):
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.params = parameters.views(self.buffer.copy(), self.shapes)


class _SharedCopy(MLP):
    def __deepcopy__(self, memo: Any) -> Any:
        other = object.__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other


class _Listens(MLP):
    def checked(self, condition: Condition, n: int) -> Condition:
        return condition.each(n)


class _ForgetsASetting(MLP):
    @property
    def options(self) -> dict[str, Any]:
        return super().options | {"residual": True}


class _OneSeed(MLP):
    def initialise(self, seed: int) -> None:
        super().initialise(0)


class _Remembers(MLP):
    """Its steps depend on more than the state."""

    def own_steps(self, task: Any) -> Any:
        take, calls = super().own_steps(task), [0]

        def once_right(state: Any, count: int, *rest: Any) -> Any:
            calls[0] += 1
            if state.step == 2 and calls[0] == 1:
                state.parameters += np.float32(1e-6)
            return take(state, count, *rest)

        return once_right


FAULTS: dict[type[MLP], Callable[..., None]] = {
    _WrongGradient: networks.check_gradients,
    _WrongGradientOfX: networks.check_gradients,
    _WrongKernel: networks.check_answers,
    _WrongSteps: networks.check_kernels,
    _WrongChain: networks.check_kernels,
    _PlaceInTheBatch: networks.check_parts_and_threads,
    _StaleCopy: networks.check_copies,
    _SharedCopy: networks.check_copies,
    _Listens: networks.check_condition,
    _ForgetsASetting: networks.check_arguments,
    _OneSeed: networks.check_arguments,
    _Remembers: networks.check_files,
}


@pytest.mark.parametrize("wrong", FAULTS, ids=lambda wrong: wrong.__name__)
def test_a_fault_is_found(wrong: type[MLP], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CLASSES", dict(registry._CLASSES))
    registry.register(wrong)
    check = FAULTS[wrong]
    for kind in (MLP, wrong):
        model = kind(2, 8, 1, residual=False)
        for values in model.params.values():
            values[:] = np.random.default_rng(values.size).normal(size=values.shape) / np.sqrt(values.shape[-1])
        more = () if check is not networks.check_files else (tmp_path / kind.__name__,)
        if kind is MLP:
            check(model, *more)
        else:
            with pytest.raises((AssertionError, pytest.fail.Exception)):
                check(model, *more)
