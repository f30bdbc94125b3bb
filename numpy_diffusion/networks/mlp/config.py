"""The MLP's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from numpy_diffusion import _checks

# Each octave has about twice the rounding of the one below: some more would be noise in float32, and ten more no
# numbers at all.  The shortest wave of sixteen is 1 / 4,096 of the data's deviation.
OCTAVES_MAX: Final = 16


@dataclass(frozen=True)
class MLPConfig:
    """The structure of an `MLP`, which says what each field is.

    Raises
    ------
    ValueError : a field out of its range
    """

    dim: int
    width: int = 128
    depth: int = 3
    residual: bool = True
    embedding: int = 16
    octaves: int = 0
    learn_variance: bool = False

    def __post_init__(self) -> None:
        for name, low in (("dim", 1), ("width", 1), ("depth", 0), ("embedding", 2)):
            object.__setattr__(self, name, _checks.size(name, getattr(self, name), low))
        object.__setattr__(self, "octaves", _checks.integer("octaves", self.octaves, 0, OCTAVES_MAX))
        if self.embedding % 2:
            raise ValueError(f"embedding: expected an even number, got {self.embedding}")
        _checks.instance("residual", self.residual, bool)
        _checks.instance("learn_variance", self.learn_variance, bool)
