"""The version stands in one place."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import numpy_diffusion as nd
from numpy_diffusion import _version


def test_the_package_and_its_installation_say_the_same_version() -> None:
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    assert nd.__version__ == _version.__version__ == setup["metadata"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", nd.__version__)
