"""The module examples/_gallery.py, which keeps the gallery's pictures."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


def gallery() -> ModuleType:
    """Imported as an example imports it, from the folder beside."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        return importlib.import_module("_gallery")
    finally:
        sys.path.remove(str(EXAMPLES))
