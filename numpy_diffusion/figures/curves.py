"""Curves: what the schedules do (Fig 2), and the loss of a training run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike
from numpy_diffusion.figures.style import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PINK,
    WIDTH,
    axes_of,
    context,
    number,
    page,
    png_target,
    save,
)
from numpy_diffusion.process.schedules import Schedule

LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PINK, ":"))  # colour and dashes: either one tells them apart


def schedules(schedules: Sequence[Schedule], path: PathLike | None = None) -> Figure:
    """Fig 2: beta_t, alpha_bar_t and log-SNR of schedules beside each other, and where each of them ends.

    Parameters
    ----------
    schedules : one to four
    path : of a PNG to write, if it is wanted

    Returns
    -------
    the figure

    Raises
    ------
    ValueError : no schedule or more than four, something else than a schedule, a path that does not end in .png
    OSError : a path that cannot be written to
    """
    place = png_target(path)
    schedules = list(schedules)
    _checks.integer("schedules: their number", len(schedules), 1, len(LINES))
    for schedule in schedules:
        _checks.instance("schedules", schedule, Schedule)
    with context():
        figure = page(WIDTH, 0.78 * WIDTH)
        (beta, alpha_bar), (log_snr, ends) = figure.subplots(2, 2)
        beta.set(title=r"Noise added in step $t$: $\beta_t$", yscale="log", ylabel="variance")
        alpha_bar.set(title=r"Signal left: $\bar\alpha_t$", ylabel="share of the variance")
        log_snr.set(title=r"$\log\,\mathrm{SNR}_t = \log\,(\bar\alpha_t / (1-\bar\alpha_t))$", ylabel="nats")
        for schedule, (colour, dashes) in zip(schedules, LINES, strict=False):
            t = np.arange(1, schedule.T + 1)
            for axes, values in ((beta, schedule.beta), (alpha_bar, schedule.alpha_bar), (log_snr, schedule.log_snr)):
                axes.plot(t, values[1:], dashes, color=colour)
            ends.plot([], [], dashes, color=colour, label=_end(schedule))
        for axes in (beta, alpha_bar, log_snr):
            axes.set_xlabel("step $t$")
            axes.margins(x=0.02)
            axes.grid(True)
        ends.axis("off")
        ends.legend(loc="center", title="What is left at $t = T$", labelspacing=1.0)
        return save(figure, place)


def loss_curve(losses: ArrayLike, path: PathLike | None = None, *, ax: Axes | None = None) -> Figure:
    """The loss of every training step, and its mean over ever longer stretches of the run.

    Both axes are logarithmic, as most is learned in the first steps: the loss's only where all are positive.  A mean
    is over a sixth of the steps before it, and so ever more certain as the loss falls ever more slowly.

    Parameters
    ----------
    losses : [steps], as `train` returns them
    path : of a PNG to write, if it is wanted
    ax : axes to draw on; those of a new figure unless given

    Returns
    -------
    the figure

    Raises
    ------
    ValueError : losses that are no array [steps] of finite numbers, a path that does not end in .png
    OSError : a path that cannot be written to
    """
    place = png_target(path)
    losses = _checks.array("losses", losses, ("steps",), np.float64)
    middle, means = _means(losses)
    with context():
        figure, axes = axes_of(ax, WIDTH, 0.45 * WIDTH)
        axes.plot(np.arange(1, len(losses) + 1), losses, color=GRAY, alpha=0.4, linewidth=0.5, label="each step")
        axes.plot(middle, means, "o-", markersize=3.0, color=BLUE, label="mean over ever longer stretches")
        axes.set(xlabel="training step", ylabel=r"mean of $(\varepsilon - \varepsilon_\theta)^2$", xscale="log")
        axes.margins(x=0.02)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if len(losses) > 500 else (1.0, 2.0, 5.0)))
        if losses.min() > 0.0:
            axes.set_yscale("log")
            _number_losses(axes)
        axes.grid(True)
        axes.legend()
        return save(figure, place)


def _means(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middles of stretches of the run, each a sixth as long as all that is before it, and the means there."""
    ends = [0]
    while ends[-1] < len(losses):
        ends.append(min(ends[-1] + max(1, ends[-1] // 6), len(losses)))
    if len(ends) > 2 and ends[-1] - ends[-2] < (ends[-2] - ends[-3]) / 2:
        del ends[-2]  # a short rest is part of the stretch before it
    first, last = np.array(ends[:-1]), np.array(ends[1:])
    return np.sqrt((first + 1.0) * last), np.add.reduceat(losses, first) / (last - first)


def _number_losses(axes: Axes) -> None:
    """A few round numbers along a logarithmic scale, which may have less than a power of ten."""
    low, high = axes.get_ylim()
    locator = LogLocator(subs=(1.0, 2.0, 3.0, 5.0)) if high > 5.0 * low else MaxNLocator(nbins=5)
    axes.yaxis.set_major_locator(locator)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _end(schedule: Schedule) -> str:
    signal = rf"$\bar\alpha_T = {number(schedule.alpha_bar[-1])}$"
    return f"{schedule.name}, $T = {schedule.T}$\n{signal}, SNR ${schedule.terminal_snr_db:.1f}$ dB"
