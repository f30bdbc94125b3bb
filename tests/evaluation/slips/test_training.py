"""The slips of lab 4, and that its right functions are the package's."""

from __future__ import annotations

import re

import numpy as np
import pytest
from checks.slips import told_apart

from numpy_diffusion.evaluation.exercise import check
from numpy_diffusion.evaluation.slips import training
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.schedules import Schedule


@pytest.mark.parametrize("exercise", [training.LOSS, training.ADAM])
def test_slips_are_told_apart(exercise):
    told_apart(exercise)


def test_the_loss_is_of_the_packages_jump():
    schedule, t = Schedule.linear(50), np.array([1, 20, 50])
    xt, eps = q_sample(np.ones((3, 2)), t, schedule, seed=1)
    expected = np.mean((eps - training.network(xt, t)) ** 2)
    found = training.LOSS.right(training.network, np.ones((3, 2)), t, eps, schedule.alpha_bar)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("wrong", [lambda t: t[:, None], lambda t: np.append(t, 1), lambda t: [t]])
def test_a_network_is_told_a_step_for_each_sample(wrong):
    """As [N, 1] a step of the network here would be added up as it should be, and none of a real one would."""

    def loss(eps_model, x0, t, eps, alpha_bar):
        ab = alpha_bar[t][:, None]
        return np.mean((eps - eps_model(np.sqrt(ab) * x0 + np.sqrt(1.0 - ab) * eps, wrong(t))) ** 2)

    found = check(training.LOSS, loss)
    assert not found.right
    assert found.slip == ""
    sentence = (
        r"No answer: ValueError at line \d+: t: expected one step, or one for each sample, \[\d\], got \[\d, \d\]\."
    )
    assert re.fullmatch(sentence, found.sentence) or "got [2]" in found.sentence, found.sentence


def test_adam_moves_by_its_rate_at_first():
    """m_hat / sqrt(v_hat) is the gradient's sign at the first step (Kingma and Ba 2015, section 2.1)."""
    g = np.array([3.0, -0.01])
    theta, m, v = training.ADAM.right(np.zeros(2), g, np.zeros(2), np.zeros(2), 1, 0.5)
    np.testing.assert_allclose(theta, [-0.5, 0.5], rtol=1e-5)
    np.testing.assert_allclose([m, v], [0.1 * g, 0.001 * g**2])
