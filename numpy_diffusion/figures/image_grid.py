"""Images beside each other: in a grid, with captions, and on their way to noise and back (Figs 3-5)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike
from numpy_diffusion.figures.chains import FORWARD_TITLE, REVERSE_TITLE
from numpy_diffusion.figures.style import BLUE, ORANGE, WIDTH, axes_of, context, page, png_target, save

HEADER = 0.7  # inches above a way's images: its title, and its steps
TITLES = 0.25  # inches of a row of titles alone
LETTERS, LINE = 6.0, 7.5  # points: the letters of a caption, and from line to line
LETTER = 0.58  # of their height: how wide they are, on average


def image_grid(
    x: ArrayLike,
    path: PathLike | None = None,
    *,
    columns: int = 10,
    row_titles: Sequence[str] | None = None,
    column_titles: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Images row by row, in their order.

    Parameters
    ----------
    x : [N, C, H, W], C = 1 for gray or 3 for red, green, blue; -1 is black, 1 is white, what lies beyond is cut off
    path : of a PNG to write, if it is wanted
    columns : images in a row; the last row may have fewer
    row_titles : one for each row, to its left
    column_titles : one for each column, above it
    ax : axes to draw on; those of a new figure unless given

    Returns
    -------
    the figure

    Raises
    ------
    ValueError : x of another shape or not finite, another number of titles, a path that does not end in .png
    OSError : a path that cannot be written to

    Examples
    --------
    >>> image_grid(np.zeros((4, 1, 8, 8)), columns=2)
    <Picture size 1080x1080 with 1 Axes>
    """
    place = png_target(path)
    x = _images("x", x)
    columns = _checks.integer("columns", columns, 1)
    rows = -(-len(x) // columns)
    for name, titles, count in (("row", row_titles, rows), ("column", column_titles, columns)):
        if titles is not None and len(titles) != count:
            raise ValueError(f"{name}_titles: expected {count}, one for each {name}, got {len(titles)}")
    mosaic = _mosaic(x, columns)
    with context():
        figure, axes = axes_of(ax, WIDTH, _height(mosaic) + (TITLES if column_titles else 0.0))
        _show(axes, mosaic, x.shape[2:], column_titles or (), row_titles or ())
        return save(figure, place)


def captioned_images(
    x: ArrayLike, captions: Sequence[str], path: PathLike | None = None, *, columns: int = 8
) -> Figure:
    """Images row by row, each with its caption below it, in as many lines as the longest takes.

    Parameters
    ----------
    x : [N, C, H, W], as for `image_grid`
    captions : N
    path, columns, returns and errors as for `image_grid`

    Examples
    --------
    >>> figure = captioned_images(np.zeros((2, 3, 8, 8)), ["nothing", "nothing again"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['nothing', 'nothing again']
    """
    place = png_target(path)
    x = _images("x", x)
    columns = _checks.integer("columns", columns, 1)
    if len(captions) != len(x):
        raise ValueError(f"captions: expected {len(x)}, one for each image, got {len(captions)}")
    _, _, height, width = x.shape
    inches = WIDTH / columns
    texts = ["\n".join(textwrap.wrap(each, max(int(inches * 72.0 / (LETTER * LETTERS)), 1))) for each in captions]
    lines = max(text.count("\n") + 1 for text in texts)
    below = int(np.ceil(lines * LINE / 72.0 * width / inches))  # pixels of the images
    figure = image_grid(np.pad(x, ((0, 0), (0, 0), (0, below), (0, 0)), constant_values=1.0), columns=columns)
    gap = _gap(height + below)
    with context():
        for k, text in enumerate(texts):
            row, column = divmod(k, columns)
            middle, foot = column * (width + gap) + (width - 1) / 2.0, row * (height + below + gap) + height
            figure.axes[0].text(middle, foot, text, ha="center", va="top", fontsize=LETTERS, linespacing=1.0)
        return save(figure, place)


def image_rows(
    forward: Mapping[int, ArrayLike], reverse: Mapping[int, ArrayLike], path: PathLike | None = None
) -> Figure:
    """The same images on their way to noise, and images of a model on their way back, one row each.

    Parameters
    ----------
    forward : {t: x_t [N, C, H, W]} of N images of the data, as `q_trajectory` with `keep` returns them
    reverse : {t: x_t [M, C, H, W]} of M samples, at the same steps, as `sample` with `keep` returns them
    path, returns and errors as for `image_grid`; a column is a step, from the least t to the greatest
    """
    place = png_target(path)
    steps = sorted(forward)
    if not steps:
        raise ValueError("forward: expected images at one step or more, got none")
    if steps != sorted(reverse):
        raise ValueError(f"reverse: expected images at the steps of forward, {steps}, got {sorted(reverse)}")
    ways = []
    for name, images in (("forward", forward), ("reverse", reverse)):
        checked = [_images(f"{name}[{t}]", images[t]) for t in steps]
        if len({each.shape for each in checked}) > 1:
            raise ValueError(f"{name}: expected one shape at all steps, got {[list(each.shape) for each in checked]}")
        by_row = np.stack(checked, axis=1)  # image by image, each at all steps
        ways.append(by_row.reshape(-1, *by_row.shape[2:]))
    mosaics = [_mosaic(x, len(steps)) for x in ways]
    heights = [_height(mosaic) + HEADER for mosaic in mosaics]
    titles = [f"$t = {t}$" for t in steps]
    with context():
        figure = page(WIDTH, sum(heights))
        parts = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, x, mosaic, title, colour in zip(
            parts, ways, mosaics, (FORWARD_TITLE, REVERSE_TITLE), (BLUE, ORANGE), strict=True
        ):
            part.suptitle(title, color=colour)
            _show(part.subplots(), mosaic, x.shape[2:], column_titles=titles)
        return save(figure, place)


def _images(name: str, x: ArrayLike) -> np.ndarray:
    x = _checks.array(name, x, ("N", "C", "H", "W"))
    if x.shape[1] not in (1, 3):
        raise ValueError(f"{name}: expected 1 or 3 channels, [N, C, H, W], got shape {list(x.shape)}")
    return x


def _gap(side: int) -> int:
    """Pixels between two images of so many a side."""
    return max(side // 16, 1)


def _mosaic(x: np.ndarray, columns: int) -> np.ndarray:
    """The images in one, on white: [rows, columns, 3] in 0..1."""
    n, _, height, width = x.shape
    rows = -(-n // columns)
    gap = _gap(height)
    page = np.ones((rows, columns, height + gap, width + gap, 3))
    colours = np.broadcast_to(x.transpose(0, 2, 3, 1), (n, height, width, 3))
    page.reshape(-1, *page.shape[2:])[:n, :height, :width] = np.clip(0.5 + 0.5 * colours, 0.0, 1.0)
    whole = page.transpose(0, 2, 1, 3, 4).reshape(rows * (height + gap), columns * (width + gap), 3)
    return whole[:-gap, :-gap]


def _height(mosaic: np.ndarray) -> float:
    """Inches of a page as wide as a mosaic is, at the same scale."""
    return WIDTH * mosaic.shape[0] / mosaic.shape[1]


def _show(
    axes: Axes,
    mosaic: np.ndarray,
    shape: tuple[int, ...],
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
) -> None:
    """A mosaic of images [H, W] = shape, with a title above each column and at the left of each row."""
    axes.imshow(mosaic)
    height, width = (side + _gap(shape[0]) for side in shape)
    axes.set_xticks(width * np.arange(len(column_titles)) + (shape[1] - 1) / 2.0, column_titles)
    axes.set_yticks(height * np.arange(len(row_titles)) + (shape[0] - 1) / 2.0, row_titles)
    axes.tick_params(length=0.0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
