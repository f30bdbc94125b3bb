"""An MLP's step in two calls: what it finds and where it goes are those of the whole step, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from checks import mpi_jobs
from checks.ranks import on_comms


@pytest.mark.parametrize("size", [2, 4])
def test_steps_that_processes_share_are_those_of_one(size: int) -> None:
    """Weights, by way of Adam's averages, and losses, those of the samples by way of the history."""
    expected = mpi_jobs.mlp_by_importance(None)
    for found in on_comms(size, mpi_jobs.mlp_by_importance):
        np.testing.assert_array_equal(found.losses, expected.losses)
        np.testing.assert_array_equal(found.model.buffer, expected.model.buffer)
