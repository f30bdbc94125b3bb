"""What the tests of runs share."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import pytest
from checks.runs import short

from numpy_diffusion.training.run import Run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The networks are so small that threads would only wait for each other."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing interrupts."""
    return short(out=tmp_path_factory.mktemp("whole") / "run")
