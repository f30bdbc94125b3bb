"""The slips of lab 6, and that its right functions are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from checks.slips import told_apart

from numpy_diffusion.evaluation.slips import guidance
from numpy_diffusion.models.guided import guided


@pytest.mark.parametrize("exercise", [guidance.GUIDED, guidance.IMPORTANCE])
def test_slips_are_told_apart(exercise):
    told_apart(exercise)


def test_guidance_is_the_packages():
    model = guided(lambda x, t, labels: np.sin(x + labels[:, None]), [1, 2], 2.5, null=9)
    x = np.arange(4.0).reshape(2, 2)
    asked, away = np.sin(x + np.array([[1], [2]])), np.sin(x + 9)
    np.testing.assert_allclose(guidance.GUIDED.right(asked, away, 2.5), model(x, 1), rtol=1e-12)


def test_a_mean_of_weights_is_one():
    log_w = np.log([[0.5, 3.0], [1.5, 1.0]])
    np.testing.assert_allclose(guidance.IMPORTANCE.right(log_w), np.log([1.0, 2.0]), atol=1e-12)
