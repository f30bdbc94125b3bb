"""The bound step by step in its two forms, and why one is preferred."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike
from numpy_diffusion.evaluation.bound import Bound
from numpy_diffusion.figures.style import BLUE, ORANGE, WIDTH, context, page, png_target, save


def bound_terms(posterior: Bound, article: Bound, path: PathLike | None = None) -> Figure:
    """The consistency term of every step: mean and standard deviation over samples, of both forms of the bound.

    Both stand at the step whose reverse kernel they judge, p(x_{t-1} | x_t): the article's term t - 1 stands at t.

    Parameters
    ----------
    posterior, article : as `bound(..., form=...)` returns them, of one schedule with at least two steps
    path : of a PNG to write, if it is wanted

    Returns
    -------
    the figure

    Raises
    ------
    ValueError : something else than two bounds, the other form, one sample alone, a path that does not end in .png
    OSError : a path that cannot be written to
    """
    place = png_target(path)
    _check("posterior", posterior, 1)
    T = len(posterior.consistency) - 1
    _check("article", article, T)
    t = np.arange(2, T + 1)
    with context():
        figure = page(WIDTH, 0.45 * WIDTH)
        terms, spreads = figure.subplots(1, 2)
        lines = (("posterior form", posterior, t, BLUE, "-"), ("article's form", article, t - 1, ORANGE, "--"))
        for name, found, index, colour, dashes in lines:
            mean = found.consistency[index]
            deviation = found.consistency_error[index] * np.sqrt(len(found.totals))
            terms.fill_between(t, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0.0)
            label = f"{name}, total {found.total:.2f} ± {found.total_error:.2f}"
            terms.plot(t, mean, dashes, color=colour, label=label)
            spreads.plot(t, deviation, dashes, color=colour, label=name)
        terms.set(title="Term of the bound ± standard deviation", ylabel="nats")
        spreads.set(title="Its standard deviation", ylabel="nats", yscale="log")
        for axes in (terms, spreads):
            axes.set(xlabel=r"step $t$ of $p(x_{t-1} \,|\, x_t)$", xscale="log")
            axes.margins(x=0.02)
            axes.grid(True)
        figure.legend(*terms.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return save(figure, place)


def _check(name: str, found: Bound, empty: int) -> None:
    """A Bound of its own form, which has no term at step `empty`, with deviations."""
    _checks.instance(name, found, Bound)
    T = len(found.consistency) - 1
    if T < 2 or len(found.totals) < 2:
        raise ValueError(f"{name}: expected at least 2 steps and 2 samples, got {T} and {len(found.totals)}")
    if empty > T or found.consistency_error[empty] != 0.0:
        raise ValueError(f'{name}: expected the result of bound(..., form="{name}") and of one schedule, got another')
