"""The MLP's options."""

from __future__ import annotations

from dataclasses import dataclass

from numpy_diffusion import _checks


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
        for name, low in (("dim", 1), ("width", 1), ("depth", 0), ("embedding", 2), ("octaves", 0)):
            object.__setattr__(self, name, _checks.integer(name, getattr(self, name), low))
        if self.embedding % 2:
            raise ValueError(f"embedding: expected an even number, got {self.embedding}")
        _checks.instance("residual", self.residual, bool)
        _checks.instance("learn_variance", self.learn_variance, bool)
