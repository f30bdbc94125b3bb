"""The checks of a schedule and of the jump, as a user calls them."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.evaluation.forward_check import NAMES, check_forward, check_schedule
from numpy_diffusion.process.schedules import Schedule


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:schedule")
def test_the_packages_schedules_are_right(name):
    assert check_schedule(lambda T: getattr(Schedule, name)(T).beta, name).right


@pytest.mark.filterwarnings("ignore:schedule")
def test_another_schedule_is_named():
    report = check_schedule(lambda T: Schedule.cosine(T).beta, "sigmoid")
    assert (report.right, report.sentence) == (False, "These are the betas of the cosine schedule.")
    with pytest.raises(ValueError, match="name: expected one of 'linear'"):
        check_schedule(lambda T: T, "quadric")


def test_float32_needs_its_own_tolerance():
    def q_sample(x0, t, eps, alpha_bar):
        a = alpha_bar[t, None].astype(np.float32)
        return np.sqrt(a) * x0.astype(np.float32) + np.sqrt(1 - a) * eps.astype(np.float32)

    assert not check_forward(q_sample).right
    assert check_forward(q_sample, tolerance=1e-3).right


def test_what_is_no_function_is_refused():
    with pytest.raises(ValueError, match="q_sample: expected a function"):
        check_forward(None)
