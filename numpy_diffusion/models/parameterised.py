"""What has parameters: a structure, one buffer with a view for each name, a copy, a line that says what it is.

Networks, encoders and decoders of all kinds; what an optimiser, a file or a gradient check asks of any of them.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Self

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters

_empty = ContextVar("_empty", default=False)  # whether parameters stay zero when they are made


class Parameterised(ABC):
    """Named parameters in one buffer.

    Parameters
    ----------
    config : the structure, a frozen dataclass: its fields are arguments of the class, and what config.json says
    shapes : of the parameters, by name
    seed : of the initial weights, see `initialise`
    dtype : float32, or float64 for gradient checks

    Attributes
    ----------
    buffer : all parameters in one array [P]
    params : the named parameters, views of `buffer`
    """

    _laid_out: Any = None  # the parameters as kernels read them, of a network that keeps them so
    _rounded: Any = None  # the same in bfloat16

    def __init__(self, config: Any, shapes: parameters.Shapes, *, seed: int = 0, dtype: Any = np.float32) -> None:
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        self.config, self.shapes = config, shapes
        self.buffer = np.zeros(parameters.size(shapes), dtype)
        self.params = parameters.views(self.buffer, shapes)
        seed = _checks.seed(seed)
        if not _empty.get():
            self.initialise(seed)

    @classmethod
    def empty(cls, **options: Any) -> Self:
        """One whose parameters are zero, for who fills them all: to draw a hundred million takes seconds."""
        before = _empty.set(True)
        try:
            return cls(**options)
        finally:
            _empty.reset(before)

    @abstractmethod
    def initialise(self, seed: int) -> None:
        """Write the first weights to `params`, which are zero."""

    def fill(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write the arrays to the parameters of their names; there may be others among them."""
        for name, values in self.params.items():
            values[...] = arrays[name]

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that make another of this structure."""
        return dataclasses.asdict(self.config)

    def copy(self) -> Self:
        """Another of the same structure and weights, and whatever else this one has."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle needs: the parameters once, and not in the form of the kernels as well."""
        return {
            name: value for name, value in self.__dict__.items() if name not in ("params", "_laid_out", "_rounded")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's parameters are views of its own buffer."""
        self.__dict__ |= state
        self.params = parameters.views(self.buffer, self.shapes)

    def __repr__(self) -> str:
        fields = {field.name: field.default for field in dataclasses.fields(self.config)}
        chosen = {name: value for name, value in vars(self.config).items() if value != fields[name]}
        arguments = ", ".join(f"{name}={value}" for name, value in chosen.items())
        return f"{type(self).__name__}({arguments}): {self.buffer.size:,} parameters"
