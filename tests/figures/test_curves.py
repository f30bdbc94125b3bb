"""What the schedules do, and the loss of a run: the lines are those of the data."""

from __future__ import annotations

import numpy as np
import pytest
from checks.pictures import LOSSES, SCHEDULE, pixels

import numpy_diffusion as nd
from numpy_diffusion import figures


def test_losses_of_a_single_step_are_a_picture(tmp_path):
    assert pixels(figures.loss_curve([0.5], tmp_path / "loss.png")).std() > 10.0


@pytest.fixture
def axes(monkeypatch):
    """The axes of the pictures drawn from now on, in their order."""
    kept = []
    monkeypatch.setattr(figures.curves, "save", lambda figure, path: kept.extend(figure.axes) or path)
    return kept


def test_schedules_are_drawn_from_step_1_and_named(axes, tmp_path):
    shown = [SCHEDULE, nd.Schedule.cosine(T=100)]
    figures.schedules(shown, tmp_path / "a.png")
    for axis, name in zip(axes, ("beta", "alpha_bar", "log_snr"), strict=False):
        for schedule, line in zip(shown, axis.lines, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, schedule.T + 1))
            np.testing.assert_array_equal(line.get_ydata(), getattr(schedule, name)[1:])
    names = [text.get_text().splitlines()[0] for text in axes[3].get_legend().get_texts()]
    assert names == ["linear, $T = 40$", "cosine, $T = 100$"]


def test_a_loss_is_shown_with_its_mean_over_a_hundredth_of_the_run(axes, tmp_path):
    figures.loss_curve(LOSSES, tmp_path / "a.png")  # 250 steps: windows of 2
    each, means = axes[0].lines
    np.testing.assert_array_equal(each.get_xdata(), np.arange(1, 251))
    np.testing.assert_array_equal(each.get_ydata(), LOSSES)
    np.testing.assert_array_equal(means.get_xdata(), np.arange(1.5, 250.0, 2.0))
    np.testing.assert_allclose(means.get_ydata(), (LOSSES[::2] + LOSSES[1::2]) / 2.0, rtol=1e-15)
