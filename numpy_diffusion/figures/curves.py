"""Curves: what the schedules do (Fig 2), and the loss of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike
from numpy_diffusion.figures._style import BLUE, GRAY, GREEN, ORANGE, PINK, WIDTH, canvas, number, save, style, target
from numpy_diffusion.process.schedules import Schedule

LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PINK, ":"))  # colour and dashes: either one tells them apart


def schedules(schedules: Sequence[Schedule], path: PathLike) -> Path:
    """Fig 2: beta_t, alpha_bar_t and log-SNR of schedules beside each other, and where each of them ends.

    Parameters
    ----------
    schedules : one to four
    path : of the PNG to write

    Returns
    -------
    the path

    Raises
    ------
    ValueError : no schedule or more than four, something else than a schedule, a path that does not end in .png
    OSError : a path that cannot be written to
    """
    place = target(path, ".png")
    schedules = list(schedules)
    _checks.integer("schedules: their number", len(schedules), 1, len(LINES))
    for schedule in schedules:
        _checks.instance("schedules", schedule, Schedule)
    with style():
        figure = canvas(WIDTH, 0.78 * WIDTH)
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


def loss_curve(losses: ArrayLike, path: PathLike) -> Path:
    """The loss of every training step, and its mean over a hundredth of the run.

    Parameters
    ----------
    losses : [steps], as `train` returns them
    path : of the PNG to write

    Returns
    -------
    the path

    Raises
    ------
    ValueError : losses that are no array [steps] of finite numbers, a path that does not end in .png
    OSError : a path that cannot be written to
    """
    place = target(path, ".png")
    losses = _checks.array("losses", losses, ("steps",), np.float64)
    window = max(len(losses) // 100, 1)
    means = losses[: len(losses) // window * window].reshape(-1, window).mean(axis=1)
    with style():
        figure = canvas(WIDTH, 0.45 * WIDTH)
        axes = figure.subplots()
        step = np.arange(1, len(losses) + 1)
        axes.plot(step, losses, color=GRAY, alpha=0.4, linewidth=0.5, label="each step")
        middle = (np.arange(len(means)) + 0.5) * window + 0.5
        axes.plot(middle, means, color=BLUE, label=f"mean of {window:,} steps" if window > 1 else None)
        axes.set(xlabel="training step", ylabel=r"mean of $(\varepsilon - \varepsilon_\theta)^2$", ylim=(0.0, None))
        axes.margins(x=0.02)
        axes.grid(True)
        axes.legend()
        return save(figure, place)


def _end(schedule: Schedule) -> str:
    signal = rf"$\bar\alpha_T = {number(schedule.alpha_bar[-1])}$"
    return f"{schedule.name}, $T = {schedule.T}$\n{signal}, SNR ${schedule.terminal_snr_db:.1f}$ dB"
