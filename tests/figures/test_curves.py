"""What the schedules do, and the loss of a run: the lines are those of the data."""

from __future__ import annotations

import io

import numpy as np
import pytest
from checks.pictures import LOSSES, SCHEDULE, pixels

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.figures import curves


def test_losses_of_a_single_step_are_a_picture():
    assert pixels(io.BytesIO(figures.loss_curve([0.5])._repr_png_())).std() > 10.0


def test_schedules_are_drawn_from_step_1_and_named():
    shown = [SCHEDULE, nd.Schedule.cosine(T=100)]
    axes = figures.schedules(shown).axes
    for axis, name in zip(axes, ("beta", "alpha_bar", "log_snr"), strict=False):
        for schedule, line in zip(shown, axis.lines, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, schedule.T + 1))
            np.testing.assert_array_equal(line.get_ydata(), getattr(schedule, name)[1:])
    names = [text.get_text().splitlines()[0] for text in axes[3].get_legend().get_texts()]
    assert names == ["linear, $T = 40$", "cosine, $T = 100$"]


def test_a_loss_is_shown_with_its_mean_over_ever_longer_stretches():
    each, means = figures.loss_curve(LOSSES).axes[0].lines
    np.testing.assert_array_equal(each.get_xdata(), np.arange(1, 251))
    np.testing.assert_array_equal(each.get_ydata(), LOSSES)
    places, values = means.get_data()
    np.testing.assert_array_equal(places[:11], np.arange(1, 12))  # of so few steps each is its own mean
    np.testing.assert_array_equal(values[:11], LOSSES[:11])
    np.testing.assert_allclose(values[11:14], [LOSSES[11], *LOSSES[12:16].reshape(2, 2).mean(axis=1)], rtol=1e-15)
    assert places[12] == np.sqrt(13 * 14)  # the middle on the axis
    assert (np.diff(places) > 0.0).all()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 13, 14, 100, 4321])
def test_the_means_are_of_all_steps_one_after_the_other(count):
    """Of losses 1, 2, 3, ... a stretch that begins at b has its first step at its mean less half of what follows."""
    begin = 1.0
    for mean in curves._means(np.arange(1.0, count + 1.0))[1]:
        begin += 2.0 * (mean - begin) + 1.0
    assert begin == count + 1.0


def test_steps_and_losses_are_numbered_so_that_they_can_be_read():
    """Whole steps, and a few round losses even where the scale is far from a power of ten."""
    figure = figures.loss_curve(np.linspace(0.38, 0.21, 2000))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    shown = [[label.get_text() for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis)]
    assert {"1", "10", "100", "1,000"} <= set(shown[0])
    low, high = axes.get_ylim()
    assert 3 <= sum(low <= float(text) <= high for text in shown[1]) <= 8
    assert axes.get_yscale() == "log"


def test_losses_below_zero_have_a_linear_scale():
    assert figures.loss_curve([1.0, -0.5, -1.0]).axes[0].get_yscale() == "linear"
