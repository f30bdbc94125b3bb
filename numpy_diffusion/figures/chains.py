"""Points on their way through the chain: step by step against the jump (Fig 1), there and back (Figs 3-5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike
from numpy_diffusion.data import pictures
from numpy_diffusion.figures.steps import telling_steps
from numpy_diffusion.figures.style import (
    BLUE,
    COORDINATES,
    DOTS,
    GREEN,
    ORANGE,
    WIDTH,
    Box,
    Labels,
    Names,
    bounding_box,
    context,
    frame,
    number,
    page,
    panel,
    png_target,
    save,
)
from numpy_diffusion.models.protocol import members
from numpy_diffusion.process.forward import q_sample, q_trajectory
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import Model, sample

CHAIN_FORMULA = r"$x_t = \sqrt{1-\beta_t}\, x_{t-1} + \sqrt{\beta_t}\,\varepsilon$"
JUMP_FORMULA = r"$x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1-\bar\alpha_t}\,\varepsilon$"
FORWARD_TITLE = r"Forward: noise is added, from left to right  $\longrightarrow$"
REVERSE_TITLE = r"$\longleftarrow$  Reverse: the model takes noise away, from right to left"
CIRCLE = 1.1  # up to this ratio of its axes an ellipse looks like a circle


def chain_against_jump(
    x0: ArrayLike,
    schedule: Schedule,
    path: PathLike | None = None,
    *,
    steps: Sequence[int] | None = None,
    seed: int = 0,
) -> Figure:
    """Fig 1: x_t from the chain, step by step (article eqs 1-4), above x_t from the jump (article eqs 5-6).

    Under each picture stands the standard deviation of the noise, x_t - sqrt(alpha_bar_t) x_0, over all points and
    both coordinates, and the exact sqrt(1 - alpha_bar_t).

    Parameters
    ----------
    x0 : [N, 2]; the first 4000 are shown, all are measured
    schedule : of the chain
    path : of a PNG to write, if it is wanted
    steps : the t of the columns, in 1..T; five telling ones unless given
    seed : of the noise

    Returns
    -------
    the figure

    Raises
    ------
    ValueError : x0 of another shape or not finite, a step outside 1..T, a path that does not end in .png
    OSError : a path that cannot be written to
    """
    place = png_target(path)
    x0 = _checks.array("x0", x0, ("N", 2))
    T = _checks.instance("schedule", schedule, Schedule).T
    chosen = telling_steps(schedule, 6)[1:] if steps is None else _checks.steps("steps", steps, 1, T).ravel().tolist()
    with context():
        chain = q_trajectory(x0, schedule, seed, keep=chosen)
        jump = {t: q_sample(x0, t, schedule, seed)[0] for t in chosen}
        box = bounding_box(x0, *chain.values(), *jump.values())
        figure = page(WIDTH, 2.2 + 2.0 * WIDTH / (len(chosen) + 1))
        start, roads = figure.subfigures(1, 2, width_ratios=[1.45, len(chosen)], squeeze=False)[0]
        panel(start.subplots(), x0, BLUE, box).set_title("$x_0$")
        above, below = roads.subfigures(2, 1, squeeze=False)[:, 0]
        above.suptitle(f"The chain, step by step:  {CHAIN_FORMULA}", color=BLUE)
        below.suptitle(f"The jump, in one step:  {JUMP_FORMULA}", color=GREEN)
        for part, clouds, colour in ((above, chain, BLUE), (below, jump, GREEN)):
            _row(part, clouds, chosen, colour, box, labels="")
            for axes, t in zip(part.axes, chosen, strict=True):
                alpha_bar = schedule.alpha_bar[t]
                found = np.sqrt(((clouds[t] - np.sqrt(alpha_bar) * x0) ** 2).mean())
                exact = np.sqrt(1.0 - alpha_bar)
                axes.set_title(rf"$t = {t}$" "\n" rf"$\bar\alpha_t = {number(alpha_bar)}$")
                axes.set_xlabel(f"noise {found:.3f}\nexact {exact:.3f}")
        return save(figure, place)


def forward_reverse(
    model: Model,
    schedule: Schedule,
    x0: ArrayLike,
    path: PathLike | None = None,
    *,
    image: Any = None,
    steps: Sequence[int] | None = None,
    names: Names = COORDINATES,
    seed: int = 0,
) -> Figure:
    """Figs 3-5: the image, its points and samples of the model; below, the way to noise and the way back.

    The forward row is the jump q(x_t | x_0) of the points x0; the reverse row is Algorithm 1, from as many points
    of pure noise, at the same steps, so that each picture of the second should look like the one above it.  All is in
    the data's units; where the model has other units along x than along y, so has the noise, and the title says it.

    Parameters
    ----------
    model : any callable eps = model(x, t), trained on data like x0
    schedule : of the model
    x0 : [N, 2], in the data's units; the first 4000 are shown
    path : of a PNG to write, if it is wanted
    image : what the points were drawn from, as `datasets.from_image` takes it; left out unless given
    steps : the t of the columns, in 0..T, from the first to the last; six telling ones unless given
    names : of the two coordinates
    seed : of the noise, both ways

    Returns
    -------
    the figure

    Raises
    ------
    ValueError : x0 of another shape or not finite, a step outside 0..T, a path that does not end in .png, a model
        that returns another shape, NaN or infinity
    OSError : an image that cannot be read, a path that cannot be written to
    """
    place = png_target(path)
    x0 = _checks.array("x0", x0, ("N", 2))
    T = _checks.instance("schedule", schedule, Schedule).T
    chosen = telling_steps(schedule, 6) if steps is None else _checks.steps("steps", steps, 0, T).ravel().tolist()
    x0 = x0[:DOTS]
    ink = None if image is None else pictures.darkness(image)
    names = checked_names(names)
    with context():
        forward = _forward(model, schedule, x0, chosen, seed)
        reverse = sample(model, schedule, len(x0), seed, shape=(2,), keep=[0, *chosen])
        box = bounding_box(x0, *forward.values())
        large = WIDTH / (2 if ink is None else 3)
        small = min(WIDTH / len(chosen), large)
        note = uneven(model)
        heights = [large + 0.4, small + 0.75 + (0.2 if note else 0.0), small + 0.75]
        top, there, back = page(WIDTH, sum(heights)).subfigures(3, 1, height_ratios=heights, squeeze=False)[:, 0]
        _image_data_samples(top, ink, x0, reverse[0], names)
        there.suptitle(f"{FORWARD_TITLE}\n{note}".strip(), color=BLUE)
        back.suptitle(REVERSE_TITLE, color=ORANGE)
        _row(there, forward, chosen, BLUE, box, names=names)
        _row(back, reverse, chosen, ORANGE, box, names=names)
        return save(top.figure, place)


def _forward(model: Model, schedule: Schedule, x0: np.ndarray, steps: Sequence[int], seed: int) -> dict[int, Any]:
    """x_t of the data at the steps, noised in the units in which the model works and shown in the data's."""
    units = members(model).units
    standard = units.to_model(x0)
    return {t: units.to_data(q_sample(standard, t, schedule, seed)[0]) if t else x0 for t in steps}


def checked_names(names: Any) -> list[str]:
    """The names of two coordinates, short enough to stand at an axis."""
    found = [str(name) for name in names]
    if isinstance(names, str) or len(found) != 2:
        raise ValueError(f"names: expected two, one for each coordinate, got {names!r}")
    return found


def uneven(model: Model) -> str:
    """Why noise is no circle, where it is none: in the model's units the data is as wide as it is high."""
    across, up = np.broadcast_to(members(model).units.scale, 2)
    if max(across, up) < CIRCLE * min(across, up):
        return ""
    return "noise is as wide and as high as the data"


def _image_data_samples(
    part: SubFigure, ink: np.ndarray | None, x0: np.ndarray, samples: np.ndarray, names: Names
) -> None:
    """The image, the points drawn from it, and the model's samples, side by side at one scale."""
    box = bounding_box(x0, share=1.0)
    panels = part.subplots(1, 2 if ink is None else 3, sharey=True)
    if ink is not None:
        height, width = ink.shape
        reach = np.array([-width, width, -height, height]) / max(height, width)  # as `datasets.from_image` puts it
        panels[0].imshow(ink, cmap="gray_r", vmin=0.0, vmax=1.0, extent=reach)
        frame(panels[0], box, names=names).set_title("The image")
    data, model = panels[-2:]
    panel(data, x0, BLUE, box, labels="xy" if ink is None else "x", names=names).set_title(f"{len(x0):,} data points")
    panel(model, samples, ORANGE, box, labels="x", names=names).set_title(f"{len(samples):,} samples")


def _row(
    part: SubFigure,
    clouds: dict[int, np.ndarray],
    steps: Sequence[int],
    colour: str,
    box: Box,
    labels: Labels = "xy",
    names: Names = COORDINATES,
) -> None:
    """One small picture a step, all at one scale."""
    for column, (axes, t) in enumerate(zip(part.subplots(1, len(steps), squeeze=False)[0], steps, strict=True)):
        shown = labels if column == 0 else ""
        panel(axes, clouds[t], colour, box, size=1.0, labels=shown, names=names).set_title(f"$t = {t}$")
