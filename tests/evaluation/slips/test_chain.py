"""The slips of lab 1, and that its right functions are the package's."""

from __future__ import annotations

import numpy as np
import pytest
from checks.slips import told_apart

from numpy_diffusion.evaluation.slips import chain
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.schedules import Schedule


@pytest.mark.parametrize("exercise", [*map(chain.schedule, chain.NAMES), chain.ALPHA_BARS, chain.Q_SAMPLE])
def test_slips_are_told_apart(exercise):
    told_apart(exercise)


def test_the_jump_is_the_packages():
    schedule, t = Schedule.linear(50), np.array([1, 20, 50])
    xt, eps = q_sample(np.ones((3, 2)), t, schedule, seed=1)
    np.testing.assert_allclose(chain.jump(np.ones((3, 2)), t, eps, schedule.alpha_bar), xt, rtol=1e-12)
    np.testing.assert_allclose(chain.ALPHA_BARS.right(schedule.beta), schedule.alpha_bar, rtol=1e-14)
