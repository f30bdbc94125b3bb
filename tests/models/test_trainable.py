"""What can be trained: one buffer with named views, made again by its options, copied with what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.trainable import Trainable


@dataclass(frozen=True)
class MeanConfig:
    dim: int = 2


class Mean(Trainable):
    """Knows the mean of its data."""

    batch, learning_rate = 2, 0.1

    def __init__(self, dim: int = 2, **more: Any) -> None:
        self.mean = 0.0
        super().__init__(MeanConfig(dim), (dim,), {"a.weight": (dim, 3), "a.bias": (dim,)}, **more)

    def initialise(self, seed: int) -> None:
        self.params["a.bias"][:] = seed

    @property
    def measured(self) -> dict[str, np.ndarray]:
        return {"mean": np.array([self.mean], np.float32)}

    @measured.setter
    def measured(self, arrays: dict[str, np.ndarray]) -> None:
        self.mean = float(arrays["mean"][0])

    def measure(self, data: np.ndarray, backend: Backend) -> None:
        self.mean = float(data.mean())


def test_parameters_are_views_of_one_buffer_and_start_as_the_seed_says() -> None:
    model = Mean(seed=3)
    assert model.buffer.tolist() == [0.0] * 6 + [3.0, 3.0]
    model.buffer[0] = 7.0
    assert model.params["a.weight"][0, 0] == 7.0
    assert not model.takes_images
    assert repr(model) == "Mean(): 8 parameters"
    assert repr(Mean(5)) == "Mean(dim=5): 20 parameters"
    assert Mean(**Mean(5).options).config == Mean(5).config


def test_a_copy_keeps_what_was_measured_and_has_its_own_parameters() -> None:
    model = Mean()
    model.measure(np.array([[1.0, 3.0]]), "numpy")
    other = model.copy()
    assert other.measured["mean"].tolist() == [2.0]
    other.buffer[:] = 1.0
    assert other.params["a.bias"].tolist() == [1.0, 1.0]
    assert not model.buffer.any()


def test_what_is_missing_or_out_of_range_is_said() -> None:
    with pytest.raises(TypeError, match=r"abstract methods? .*initialise.*measured"):
        Trainable(None, (2,), {})  # type: ignore[abstract]
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64, got "):
        Mean(dtype=np.float16)
    with pytest.raises(ValueError, match=r"^seed: expected "):
        Mean(seed=-1)
