"""Against diffusers and PyTorch themselves: `pip install -e .[test,parity]`, then `python -m pytest tests/parity`.

Without that folder's name pytest passes it over; without the two packages it skips.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """True leaves a path out, None leaves the choice to others."""
    return None if any("parity" in argument for argument in config.args) else True
