"""Functions as students hand them in: files that are run."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any


def load(path: Path) -> dict[str, Callable[..., Any]]:
    """The functions that a file defines, by name."""
    return {name: value for name, value in runpy.run_path(str(path)).items() if callable(value)}
