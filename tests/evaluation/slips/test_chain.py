"""The slips of lab 1, and that its right functions are the package's."""

from __future__ import annotations

import numpy as np
import pytest
from checks.slips import told_apart

from numpy_diffusion.evaluation.exercise import check
from numpy_diffusion.evaluation.slips import chain
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.schedules import Schedule


@pytest.mark.parametrize("exercise", [*map(chain.schedule, chain.NAMES), chain.ALPHA_BARS, chain.Q_SAMPLE])
def test_slips_are_told_apart(exercise):
    told_apart(exercise)


@pytest.mark.parametrize(
    ("betas", "slip"),
    [
        (lambda T: np.append(0.0, np.clip(np.linspace(0.1 / T, 20.0 / T, T), 0.0, 0.999)), "clipped_late"),
        (lambda T: np.linspace(0.0, 0.02, T + 1), "zero_to_end_unscaled"),
    ],
)
def test_betas_of_a_second_reading_are_named(betas, slip):
    assert check(chain.schedule("linear"), betas).slip == slip


def test_the_jump_is_the_packages():
    schedule, t = Schedule.linear(50), np.array([1, 20, 50])
    xt, eps = q_sample(np.ones((3, 2)), t, schedule, seed=1)
    np.testing.assert_allclose(chain.jump(np.ones((3, 2)), t, eps, schedule.alpha_bar), xt, rtol=1e-12)
    np.testing.assert_allclose(chain.ALPHA_BARS.right(schedule.beta), schedule.alpha_bar, rtol=1e-14)
