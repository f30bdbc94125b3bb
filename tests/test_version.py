"""The version: one for the package and what is installed, and one that the change log tells of."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import numpy_diffusion as nd
from numpy_diffusion import _version

ROOT = Path(__file__).parents[1]


def test_the_version_is_that_of_the_package_and_of_its_installation() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert nd.__version__ == _version.__version__ == setup["metadata"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", nd.__version__)
