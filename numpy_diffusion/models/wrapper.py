"""What all wrappers have in common: a model made of another passes on what that one has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.protocol import Pullback
from numpy_diffusion.process.predictions import Prediction


@dataclass(frozen=True, eq=False)
class Wrapper:
    """A model that asks another; its members are that one's (see `protocol.Members`).

    A subclass says what becomes of the answers: `__call__`, `eps_and_fraction`, and `jvp_of_model` and `vjp_of_model`
    if there is a derivative.  It passes on what the model is told, so that wrappers nest in any order.
    """

    model: Any

    def __call__(self, x: np.ndarray, t: Any, **told: Any) -> np.ndarray:
        raise NotImplementedError

    def doubled(self) -> Self:
        """For a batch and the same once more behind it."""
        return replace(self, model=doubled(self.model))

    def rows(self, index: np.ndarray | slice) -> Self:
        """For some of the samples that this one is for, where it is told something of each."""
        return replace(self, model=rows(self.model, index))

    def check_rows(self, n: int) -> None:
        """ValueError where it is told something of each sample, and of another number than n."""
        check_rows(self.model, n)

    def _member(self, name: str) -> Any:
        return getattr(self.model, name, None)

    @property
    def shape(self) -> tuple[int, ...] | None:
        return self._member("shape")

    @property
    def shift(self) -> np.ndarray | float | None:
        return self._member("shift")

    @property
    def scale(self) -> np.ndarray | float | None:
        return self._member("scale")

    @property
    def T(self) -> int | None:
        return self._member("T")

    @property
    def predicts(self) -> Prediction | None:
        return self._member("predicts")

    @property
    def in_float64(self) -> bool:
        return bool(self._member("in_float64"))

    @property
    def bounded(self) -> bool:
        return bool(self._member("bounded"))

    @property
    def learn_variance(self) -> bool:
        return bool(self._member("learn_variance"))

    @property
    def nothing(self) -> Condition | None:
        return self._member("nothing")

    @property
    def null_label(self) -> int | None:
        return self._member("null_label")

    @property
    def jvp(self) -> Callable[..., tuple[np.ndarray, np.ndarray]] | None:
        """eps and its derivative along a tangent, where the model has its own."""
        return None if self._member("jvp") is None else self.jvp_of_model

    def jvp_of_model(self, x: np.ndarray, t: Any, tangent: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    @property
    def vjp(self) -> Callable[..., tuple[np.ndarray, Pullback]] | None:
        """eps and what takes a cotangent back through it, where the model has its own."""
        return None if self._member("vjp") is None else self.vjp_of_model

    def vjp_of_model(self, x: np.ndarray, t: Any, **told: Any) -> tuple[np.ndarray, Pullback]:
        raise NotImplementedError


def rows(model: Any, index: np.ndarray | slice) -> Any:
    """The model for some of the samples that it is for: another only if it is told something of each."""
    return model.rows(index) if isinstance(model, Wrapper) else model


def check_rows(model: Any, n: int) -> None:
    """ValueError where the model is told something of each sample, and of another number than n."""
    if isinstance(model, Wrapper):
        model.check_rows(n)


def repeated(model: Any, n: int, times: int) -> Any:
    """The model for each of n samples so many times in a row; errors as for `check_rows`."""
    check_rows(model, n)
    return rows(model, np.repeat(np.arange(n), times))


def doubled(model: Any) -> Any:
    """The model for a batch and the same once more behind it, as guidance asks it."""
    return model.doubled() if isinstance(model, Wrapper) else model
