"""What holds for all tests.

The draws of Hypothesis are the same in every run, so that a green suite stays green until something is changed.  New
draws, to look for what these miss: `python -m pytest --hypothesis-profile default`.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

MANY = 1000  # tests, from which on it pays to compile for all of them


@pytest.fixture(scope="session", autouse=True)
def _kernels_for_later_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compile on another core what is not yet in Numba's cache, while the first tests run."""
    if request.session.testscollected < MANY or importlib.util.find_spec("numba") is None:
        yield
        return
    command = [sys.executable, "-m", "numpy_diffusion", "compile"]
    compiling = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    compiling.kill()
    compiling.wait()
