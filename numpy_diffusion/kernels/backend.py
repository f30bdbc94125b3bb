"""The two forms of each operation: the kernel that runs, and the definition that is read."""

from __future__ import annotations

from typing import Literal

Backend = Literal["numba", "numpy"]


BACKENDS = ("numba", "numpy")
