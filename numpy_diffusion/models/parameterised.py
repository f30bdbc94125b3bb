"""What has parameters: a structure, one buffer with a view for each name, a copy, a line that says what it is.

Networks, encoders and decoders of all kinds; what an optimiser, a file or a gradient check asks of any of them.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Self

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models import parameters
from numpy_diffusion.models.stored import Stored

_empty = ContextVar("_empty", default=False)  # whether parameters stay zero when they are made
_filling = threading.RLock()  # while a buffer is made


class Parameterised(ABC):
    """Named parameters in one buffer; or in a file, as long as nobody asks for what could be written to.

    Parameters
    ----------
    config : the structure, a frozen dataclass: its fields are arguments of the class, and what config.json says
    shapes : of the parameters, by name
    seed : of the initial weights, see `initialise`
    dtype : float32, or float64 for gradient checks

    Attributes
    ----------
    dtype : of the parameters
    """

    _laid_out: Any = None  # the parameters as kernels read them, of a network that keeps them so
    _rounded: Any = None  # the same in bfloat16
    _stored: Stored | None = None  # where the parameters are in place of the buffer

    def __init__(self, config: Any, shapes: parameters.Shapes, *, seed: int = 0, dtype: Any = np.float32) -> None:
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        self.config, self.shapes, self.dtype = config, shapes, np.dtype(dtype)
        seed = _checks.seed(seed)
        if not _empty.get():
            self.initialise(seed)

    @functools.cached_property
    def buffer(self) -> np.ndarray:
        """All parameters in one array [P], made when it is first asked for."""
        with _filling:
            if "buffer" in self.__dict__:  # another thread has made it meanwhile
                return self.__dict__["buffer"]
            buffer = np.zeros(parameters.size(self.shapes), self.dtype)
            if self._stored is not None:
                given = self._stored.views(self.shapes)
                for name, values in parameters.views(buffer, self.shapes).items():
                    values[...] = given[name]
            self.__dict__["buffer"], self._stored = buffer, None  # in this order, for another thread that calls it
            return buffer

    @functools.cached_property
    def params(self) -> parameters.Parameters:
        """The parameters by name, views of `buffer`."""
        return parameters.views(self.buffer, self.shapes)

    @property
    def readable(self) -> parameters.Parameters:
        """The parameters by name for who does not write to them: `params`, or where they are stored if that is in
        the same dtype."""
        stored = self._stored  # once: it is gone when another thread makes the buffer
        if stored is None or stored.numbers.dtype != self.dtype:
            return self.params
        return stored.views(self.shapes)

    @property
    def numbers(self) -> np.ndarray | Stored:
        """All parameters for the kernels: `buffer`, or where they are stored."""
        stored = self._stored
        return self.buffer if stored is None else stored

    def read_from(self, stored: Stored, laid_out: Any = None) -> None:
        """Take the parameters from where they are stored, of which nothing is copied before it has to be.

        laid_out : the same as kernels read them, where that is known
        """
        self.__dict__.pop("buffer", None)
        self.__dict__.pop("params", None)
        self._stored, self._laid_out = stored, laid_out

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
        """What a copy or a pickle needs: the parameters once, and not in the form of the kernels as well.

        Equal ones are pickled as equal bytes: in one order, and no object among them that may be the array's own.
        """
        needed = sorted(self.__dict__.keys() - {"params", "_laid_out", "_rounded"})
        return {name: self.__dict__[name] for name in needed} | {"dtype": self.dtype.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's parameters are views of its own buffer, or stored where the first one's are."""
        self.__dict__ |= state | {"dtype": np.dtype(state["dtype"])}

    def __repr__(self) -> str:
        fields = {field.name: field.default for field in dataclasses.fields(self.config)}
        chosen = {name: value for name, value in vars(self.config).items() if value != fields[name]}
        arguments = ", ".join(f"{name}={value}" for name, value in chosen.items())
        return f"{type(self).__name__}({arguments}): {parameters.size(self.shapes):,} parameters"
