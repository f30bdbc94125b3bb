"""What all figures share, for one of your own that is to look like them: size, fonts, colours, a page, its file.

>>> from numpy_diffusion.figures import style
>>> with style.context():
...     figure = style.page(style.WIDTH, 3.0)
...     lines = figure.subplots().plot([1, 2, 4], color=style.BLUE)
>>> figure
<Picture size 1080x450 with 1 Axes>
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, cast

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, _files

__all__ = [
    "BLUE",
    "DPI",
    "GRAY",
    "GREEN",
    "ORANGE",
    "PINK",
    "WIDTH",
    "Picture",
    "bounding_box",
    "context",
    "frame",
    "number",
    "page",
    "panel",
    "png",
    "save",
]

WIDTH = 7.2  # inches: 1080 pixels, which a README shows at about 900
DPI = 150

# Okabe and Ito 2008: told apart by colour-blind readers.
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
GRAY = "#6a6a6a"

DOTS = 4000  # points that a picture shows at the most: more would run together

Box = tuple[float, float, float, float]  # left, right, low, high
Labels = Literal["xy", "x", ""]  # the axes that have numbers and a name
Names = Sequence[str]  # of the two coordinates

COORDINATES = ("$x$", "$y$")

STYLE = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "font.size": 10.0,
    "figure.titlesize": 11.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.7,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "grid.color": "#dddddd",
    "lines.linewidth": 1.8,
    "mathtext.fontset": "dejavusans",
}


def context() -> AbstractContextManager[Any]:
    """The settings of every figure, for a `with`: matplotlib's own defaults and the lines above."""
    return matplotlib.style.context(["default", STYLE])


class Picture(Figure):
    """A figure without pyplot, which shows itself in any notebook and is saved with the look that it was made with.

    matplotlib makes some of its parts, the ticks among them, only when it draws, by the settings of that moment.
    """

    def savefig(self, fname: Any, **options: Any) -> None:
        with context():
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        return png(self)


def page(width: float, height: float) -> Picture:
    """A white page of so many inches that draws itself in memory, with no window."""
    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def axes_of(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """The user's axes and the figure they are in, or those of a new page."""
    if ax is None:
        figure = page(width, height)
        return figure, figure.subplots()
    return cast(Figure, _checks.instance("ax", ax, Axes).figure.figure), ax  # which may be in a part of the figure


def panel(
    axes: Axes,
    x: ArrayLike,
    colour: str,
    box: Box,
    *,
    size: float = 1.4,
    labels: Labels = "xy",
    names: Names = COORDINATES,
) -> Axes:
    """The first DOTS points of x [N, 2] as dots of `size` pt, in the box; see `frame` for the rest."""
    x = np.asarray(x)[:DOTS]
    axes.plot(x[:, 0], x[:, 1], "o", color=colour, markersize=size, markeredgewidth=0.0, alpha=0.6)
    return frame(axes, box, labels, names)


def frame(axes: Axes, box: Box, labels: Labels = "xy", names: Names = COORDINATES) -> Axes:
    """The box on equal scales, with numbers and its name on each of the axes in `labels`."""
    axes.set(xlim=box[:2], ylim=box[2:], aspect="equal")
    axes.set(xlabel=names[0] if "x" in labels else "", ylabel=names[1] if "y" in labels else "")
    axes.locator_params(nbins=3, min_n_ticks=3)
    axes.tick_params(length=2.0, labelbottom="x" in labels, labelleft="y" in labels)
    return axes


def bounding_box(*clouds: np.ndarray, share: float = 0.99) -> Box:
    """A square with the middle `share` of each cloud's points [N, 2] along x and along y, and a margin."""
    tail = (1.0 - share) / 2.0
    edges = np.array([np.quantile(x, [tail, 1.0 - tail], axis=0) for x in clouds])
    low, high = edges[:, 0].min(axis=0), edges[:, 1].max(axis=0)
    middle, half = (low + high) / 2.0, 0.55 * (high - low).max()
    return middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half


def number(value: float) -> str:
    """Three digits as mathematics: 0.998, or 4.04 times a power of ten."""
    if value == 0.0 or abs(value) >= 1e-3:
        return f"{value:.3f}"
    digits, exponent = f"{value:.1e}".split("e")
    return rf"{digits}\times 10^{{{int(exponent)}}}"


def target(path: _files.PathLike, *suffixes: str) -> Path:
    """`path`, in a folder that exists from now on.

    Raises
    ------
    ValueError : something that is no path, or that ends in something else than `suffixes`
    OSError : a folder that cannot be made
    """
    place = _files.as_path("path", path)
    if _files.ending(place) not in suffixes:
        raise ValueError(f"path: expected a name that ends in {' or '.join(suffixes)}, got {place}")
    with _files.os_errors_about("path", place):
        place.parent.mkdir(parents=True, exist_ok=True)
    return place


def png_target(path: _files.PathLike | None) -> Path | None:
    """The `target` of a PNG; None where no file is wanted."""
    return None if path is None else target(path, ".png")


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def save(figure: Figure, path: _files.PathLike | None) -> Figure:
    """The figure itself; where there is a path, as a PNG there too, whole or not at all.

    Raises
    ------
    OSError : a path that cannot be written to
    """
    if path is not None:
        content = png(figure)
        with _files.os_errors_about("path", path):
            _files.write(_files.as_path("path", path), content)
    return figure


def __dir__() -> list[str]:
    return __all__
