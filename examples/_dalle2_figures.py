"""The pictures of DALL-E 2's stages: what CLIP finds alike, where the prior's embeddings lie, what is drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

import _dalle2_quality as quality
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion import figures
from numpy_diffusion.figures import style

NEAREST: Final = 4  # pictures beside a caption
PAIRS: Final = 60  # embeddings that are shown beside those of real pictures
LETTERS: Final = 24  # of a caption in a line


def similarities(clip: nd.CLIP, scenes: nd.captions.Scenes, n: int) -> Figure:
    """The cosines of the first n captions and of their pictures."""
    cosines = clip.similarity(scenes.x0[:n], scenes.captions[:n], nd.captions.tokenizer()).T
    with style.context():
        figure = style.page(style.WIDTH, 0.62 * style.WIDTH)
        above, below = figure.subplots(2, 1, height_ratios=(1, n))
        _pictures(above, scenes.x0[:n])
        below.imshow(cosines, cmap="cividis", vmin=-1.0, vmax=1.0, aspect="auto")
        for row, column in np.ndindex(n, n):
            colour = "white" if cosines[row, column] < 0.2 else "black"
            below.text(column, row, f"{cosines[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=7)
        below.set_yticks(range(n), [textwrap.fill(text, 2 * LETTERS) for text in scenes.captions[:n]], fontsize=7)
        below.set_xticks([])
        below.set_xlabel("cosine of the embeddings of caption and picture")
        return figure


def embeddings(real: np.ndarray, drawn: np.ndarray) -> Figure:
    """The prior's embeddings [N, D] and those of real pictures of the same captions, joined by lines, in four of the
    directions in which the real ones differ most."""
    along = _directions(real, 4)
    with style.context():
        figure = style.page(style.WIDTH, 0.5 * style.WIDTH)
        for axes, first in zip(figure.subplots(1, 2), (0, 2), strict=True):
            one, other = (along(z)[:, first : first + 2] for z in (real, drawn))
            axes.plot(*one.T, ".", color=style.GRAY, alpha=0.35, markersize=3.0, label="real pictures")
            ways = np.stack([one[:PAIRS], other[:PAIRS]])  # [2, PAIRS, 2]: a line is a column
            axes.plot(ways[:, :, 0], ways[:, :, 1], color=style.BLUE, linewidth=0.6)
            axes.plot(*one[:PAIRS].T, "o", color=style.BLUE, markersize=3.5, label="those of the captions")
            axes.plot(*other[:PAIRS].T, "x", color=style.ORANGE, markersize=5.0, label="the prior's for the captions")
            axes.set(xlabel=f"direction {first + 1}", ylabel=f"direction {first + 2}")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        return figure


def stages(pipeline: nd.UnCLIP, known: nd.captions.Scenes, asked: Sequence[str], seed: int) -> Figure:
    """The four stages of each caption: what CLIP finds nearest among known scenes, the prior's embedding among
    theirs, the decoder's picture, and both enlargements."""
    drawn = pipeline.stages(asked, seed=seed, progress=False)
    real = pipeline.image_embedding(known.x0)
    cosines = quality.unit(pipeline.encoded(asked).embedding) @ quality.unit(real).T
    along = _directions(real, 2)
    sizes = [x.shape[2] for x in (drawn.x, *drawn.upsampled)]
    titles = ["CLIP: nearest of 500", "prior", f"decoder, {sizes[0]} x {sizes[0]}"]
    titles += [f"upsampler, {size} x {size}" for size in sizes[1:]]
    with style.context():
        figure = style.page(style.WIDTH, (0.06 + 0.19 * len(asked)) * style.WIDTH)
        panels = figure.subplots(len(asked), len(titles), squeeze=False)
        for k, row in enumerate(panels):
            nearest = np.argsort(-cosines[k])[:NEAREST]
            figures.image_grid(known.x0[nearest], columns=2, ax=row[0])
            row[1].plot(*along(real).T, ".", color=style.GRAY, alpha=0.3, markersize=2.0)
            row[1].plot(*along(real[nearest]).T, "o", color=style.BLUE, markersize=4.0)
            row[1].plot(*along(drawn.embedding[k : k + 1]).T, "X", color=style.ORANGE, markersize=8.0)
            row[1].set(xticks=[], yticks=[], box_aspect=1.0)
            for axes, x in zip(row[2:], (drawn.x, *drawn.upsampled), strict=True):
                figures.image_grid(x[k : k + 1], columns=1, ax=axes)
            row[0].set_ylabel(textwrap.fill(asked[k], LETTERS), fontsize=8)
        for axes, title in zip(panels[0], titles, strict=True):
            axes.set_title(title, fontsize=8)
        return figure


def grid(x: np.ndarray, row_titles: Sequence[str]) -> Figure:
    """Pictures row by row, each with its caption."""
    return figures.image_grid(x, columns=len(x) // len(row_titles), row_titles=list(row_titles))


def _pictures(axes: Axes, x: np.ndarray) -> None:
    """Pictures side by side, over the columns of what is below."""
    axes.imshow(np.clip(0.5 + 0.5 * np.concatenate(list(x.transpose(0, 2, 3, 1)), axis=1), 0.0, 1.0), aspect="auto")
    axes.set_axis_off()


def _directions(z: np.ndarray, count: int) -> Any:
    """A function of embeddings: their components in the directions in which z [N, D] differ most."""
    mean = z.mean(axis=0)
    _, _, axes = np.linalg.svd(z - mean, full_matrices=False)
    return lambda others: (others - mean) @ axes[:count].T
