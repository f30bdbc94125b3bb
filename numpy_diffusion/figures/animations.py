"""The reverse chain as an animation: a GIF, or an HTML page of its own with a slider over t."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.animation import AbstractMovieWriter, HTMLWriter, PillowWriter

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike, ending, os_errors_about, write
from numpy_diffusion.figures.chains import checked_names, uneven
from numpy_diffusion.figures.steps import telling_steps
from numpy_diffusion.figures.style import COORDINATES, ORANGE, Names, bounding_box, context, page, panel, target
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import Model, sample

RATE = 12  # frames a second
HOLD = 2  # seconds that a GIF rests on the finished samples before it starts over
SIDE = 4.0  # inches

RESOLUTION = 100  # pixels an inch

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>The reverse chain</title>
<style>
body {{ font-family: sans-serif; text-align: center; }}
.fa {{ font-style: normal; }}
{rules}
</style>
</head>
<body>
{player}
</body>
</html>
"""

# matplotlib's player draws its buttons with a font from the network; these characters keep the page self-contained.
BUTTONS = {
    "minus": "−",
    "fast-backward": "«",
    "step-backward": "‹",
    "play": "▶",
    "play.fa-flip-horizontal": "◀",  # the more special rule wins
    "pause": "❚❚",
    "step-forward": "›",
    "fast-forward": "»",
    "plus": "+",
}


def animation(
    model: Model,
    schedule: Schedule,
    path: PathLike,
    *,
    n: int = 2000,
    seed: int = 0,
    frames: int = 60,
    names: Names = COORDINATES,
) -> Path:
    """Algorithm 1 as it runs: from noise at t = T to samples at t = 0, with more frames near the end.

    Parameters
    ----------
    model : any callable eps = model(x, t) on points in the plane
    schedule : of the model
    path : of the file to write, .gif, or .html for a page that needs nothing else and has a slider over t
    n : number of points
    seed : of the samples
    frames : at most so many pictures, at least 2; a chain of fewer steps has one for each
    names : of the two coordinates

    Returns
    -------
    the path, as this is no figure but a file

    Raises
    ------
    ValueError : n or frames out of range, a path with another ending, a model that returns another shape, NaN or
        infinity
    OSError : a path that cannot be written to
    """
    place = target(path, ".gif", ".html")
    _checks.instance("schedule", schedule, Schedule)
    shown = telling_steps(schedule, _checks.integer("frames", frames, 2))[::-1]
    names, note = checked_names(names), uneven(model)
    chain = sample(model, schedule, n, seed, shape=(2,), keep=shown)
    with context(), TemporaryDirectory() as folder:
        drawn = Path(folder, f"animation{ending(place)}")
        if ending(place) == ".gif":
            _draw(chain, [*shown, *[0] * (HOLD * RATE)], PillowWriter(RATE), drawn, names, note)
            content = drawn.read_bytes()
        else:
            _draw(chain, shown, HTMLWriter(RATE, embed_frames=True, default_mode="once"), drawn, names, note)
            content = _self_contained(drawn.read_text(encoding="utf-8")).encode()
    with os_errors_about("path", place):
        write(place, content)
    return place


def _draw(
    chain: dict[int, np.ndarray],
    shown: Sequence[int],
    writer: AbstractMovieWriter,
    path: Path,
    names: Names,
    note: str,
) -> None:
    """The points of the chain at each of the steps, one frame a step, with a note below the title."""

    def title(t: int) -> str:
        return f"Reverse chain, $t = {t}$\n{note}".strip()

    figure = page(SIDE, SIDE + (0.4 if note else 0.2))
    axes = panel(figure.subplots(), chain[shown[0]], ORANGE, bounding_box(*chain.values()), size=2.0, names=names)
    axes.set_title(title(shown[0]))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the axes stay where they are now
    with writer.saving(figure, str(path), dpi=RESOLUTION):
        for t in shown:
            axes.lines[0].set_data(*chain[t].T)
            axes.set_title(title(t))
            writer.grab_frame()


def _self_contained(player: str) -> str:
    """matplotlib's player as a page of its own, with characters in place of its web font."""
    rules = "\n".join(f'.fa-{name}::before {{ content: "{character}"; }}' for name, character in BUTTONS.items())
    return PAGE.format(rules=rules, player=re.sub(r"<link\b[^>]*>", "", player))
