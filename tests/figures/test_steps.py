"""Which steps of a chain are shown."""

from __future__ import annotations

import numpy as np
import pytest

import numpy_diffusion as nd
from numpy_diffusion.figures.steps import telling_steps


@pytest.mark.parametrize(
    "maker", [nd.Schedule.linear, nd.Schedule.cosine, nd.Schedule.quadratic, nd.Schedule.sigmoid]
)
@pytest.mark.parametrize("T", [1, 2, 10, 1000])
@pytest.mark.parametrize("count", [2, 6, 60])
def test_telling_steps_run_from_0_to_T_and_crowd_where_the_picture_changes(maker, T, count):
    schedule = maker(T=T)
    steps = telling_steps(schedule, count)
    assert steps[0] == 0
    assert steps[-1] == T
    assert len(steps) <= min(count, T + 1)
    assert (np.diff(steps) > 0).all()
    if T == 1000:
        assert len(steps) > 0.8 * count
        assert np.median(steps) <= 500
