"""What can be trained: named parameters in one buffer, a structure that makes it again, and what its data told it."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters


class Trainable(ABC):
    """Parameters that training changes and checkpoints keep; a `Network`, or an autoencoder.

    Parameters
    ----------
    config : the structure, a frozen dataclass: its fields are arguments of the class, and what config.json says
    shape : of one sample
    shapes : of the parameters, by name
    seed : of the initial weights, see `initialise`
    dtype : float32, or float64 for gradient checks

    Attributes
    ----------
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`
    """

    batch: ClassVar[int]  # samples of a training step, unless the caller says otherwise
    learning_rate: ClassVar[float]  # of Adam, likewise

    def __init__(
        self,
        config: Any,
        shape: tuple[int, ...],
        shapes: parameters.Shapes,
        *,
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        self.config, self.shape, self.shapes = config, shape, shapes
        self.buffer = np.zeros(parameters.size(shapes), dtype)
        self.params = parameters.views(self.buffer, shapes)
        self.initialise(_checks.seed(seed))

    @abstractmethod
    def initialise(self, seed: int) -> None:
        """Write the first weights to `params`, which are zero."""

    @property
    @abstractmethod
    def measured(self) -> dict[str, np.ndarray]:
        """What training measures of the data and a checkpoint keeps beside the parameters: float32, by name."""

    @measured.setter
    @abstractmethod
    def measured(self, arrays: dict[str, np.ndarray]) -> None: ...

    def measure(self, data: np.ndarray) -> None:  # noqa: B027 - what a network measures, it needs before training
        """Measure what these parameters make of the data [N, ...], at each checkpoint."""

    @property
    def takes_images(self) -> bool:
        """Whether a sample is an image [C, H, W]."""
        return len(self.shape) == 3

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that make a network of this structure."""
        return dataclasses.asdict(self.config)

    def copy(self) -> Self:
        """A network of the same structure, weights and units."""
        return copy.deepcopy(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's parameters are views of its own buffer."""
        self.__dict__ |= state
        self.params = parameters.views(self.buffer, self.shapes)

    def __repr__(self) -> str:
        fields = {field.name: field.default for field in dataclasses.fields(self.config)}
        chosen = {name: value for name, value in vars(self.config).items() if value != fields[name]}
        arguments = ", ".join(f"{name}={value}" for name, value in chosen.items())
        return f"{type(self).__name__}({arguments}): {self.buffer.size:,} parameters"
