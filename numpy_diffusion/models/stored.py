"""Parameters that stay where they are stored, as in the pages of a file, until somebody wants to write to them."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from numpy_diffusion.models import parameters


@dataclass(frozen=True, eq=False)
class Stored:
    """Parameters that nobody writes to.

    numbers : all of them flat, in any order and perhaps with others between them, float32 or float16
    starts : by name, where each begins
    pages : of the file whose numbers they are; None where they are in memory
    """

    numbers: np.ndarray
    starts: dict[str, int]
    pages: mmap.mmap | None = None

    def views(self, shapes: parameters.Shapes) -> parameters.Parameters:
        """One view of the numbers for each name, which cannot be written to."""
        found = parameters.views_at(self.numbers, shapes, self.starts)
        for values in found.values():
            values.flags.writeable = False
        return found

    def let_go(self) -> None:
        """Give the pages that were read back to the system: they are read again from the file if they are needed."""
        if self.pages is not None and hasattr(self.pages, "madvise"):
            self.pages.madvise(mmap.MADV_DONTNEED)

    def __deepcopy__(self, memo: dict[int, Any]) -> Stored:
        """A copy may have the same, as nobody writes to it."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets the numbers."""
        return Stored, (np.array(self.numbers), self.starts)


class Weights(NamedTuple):
    """Parameters, [P] or where they are stored, and the same as the kernels read them."""

    numbers: np.ndarray | Stored
    laid_out: np.ndarray
