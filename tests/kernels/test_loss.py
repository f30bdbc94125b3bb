"""One term of the bound and its slope, against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.kernels.loss import bound_term
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.losses import bound_table, variance_loss


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
@pytest.mark.parametrize("head", [-1.3, 0.0, 0.7])
@pytest.mark.parametrize("error", [0.0, 0.2, -2.0])
def test_a_term_and_its_slope_are_the_definitions(t: int, head: float, error: float) -> None:
    row = bound_table(Schedule.linear(T=1000))[[t]]
    term, slope = bound_term(row[0].astype(np.float32), np.float32(head), np.float32(error))
    losses, dhead = variance_loss(np.array([[head]]), np.array([[error]]), np.zeros((1, 1)), row)
    np.testing.assert_allclose(term, losses[0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(slope, dhead[0, 0], rtol=2e-5, atol=1e-6)
