"""The trained network and its chain as a page to play with, which runs both in the browser.

The page's own files are beside this one in `explorable/`: a template, a style sheet, and plain JavaScript, one idea a
file.  Here they become one file that asks nothing of a server or a network.
"""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._files import PathLike, os_errors_about, write
from numpy_diffusion.figures.style import target
from numpy_diffusion.models.perceptron import Perceptron
from numpy_diffusion.models.protocol import check_schedule, in_words, members
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import Model

POINTS: Final = 2000  # of the data that the page shows, and whose exact score it reckons

PARTS: Final = Path(__file__).parent / "explorable"
MATHEMATICS: Final = ("philox", "schedules", "solvers", "chain", "mlp", "oracle", "contents")  # in the order of need
PICTURES: Final = ("plane", "alpha_bar", "run", "player", "drawing", "settings", "words", "view")


def explorable(
    model: Model,
    schedule: Schedule,
    path: PathLike,
    *,
    data: ArrayLike | None = None,
    title: str = "Diffusion, step by step",
) -> Path:
    """A page in which the reader runs the chain: one HTML file that holds the network and needs nothing else.

    It has a slider over t and plays both ways; it draws trajectories, and the exact score beside the learned one.
    Solver, steps, schedule, seed and data, also the reader's own, can be chosen.  Its noise is that of `noise`: the
    same seed gives the samples of `nd.sample` but for rounding.

    Parameters
    ----------
    model : a trained `MLP` of points in the plane
    schedule : of the model
    path : of the .html file to write
    data : points [N, 2], the first 2000 of which count: the exact score is theirs; without them it is only that of
        points which the reader draws
    title : of the page

    Returns
    -------
    the path, as this is no figure but a file

    Raises
    ------
    ValueError : a model that is no such network, a schedule of another T, data of another shape, a path with another
        ending
    OSError : a path that cannot be written to
    """
    check_schedule(model, schedule)
    known = members(model)
    if known.perceptron is None or known.own_shape != (2,):
        raise ValueError(f"model: expected a network of points in the plane, MLP(dim=2, ...), got {in_words(model)}")
    _checks.instance("title", title, str)
    shift, scale = (np.broadcast_to(value, 2) for value in (known.units.shift, known.units.scale))
    contents = {
        "schedule": {"name": schedule.name, "beta": _text(schedule.beta)},
        "network": _network(known.perceptron),
        "units": {"shift": shift.tolist(), "scale": scale.tolist()},
        "data": None if data is None else _text(known.units.to_model(_points(data)), "<f4"),
    }
    place = target(path, ".html")
    with os_errors_about("path", place):
        write(place, page(title, contents).encode())
    return place


def page(title: str, contents: dict[str, Any]) -> str:
    """The template with all its parts in place."""
    filled = {
        "title": html.escape(title),
        "style": _part("style.css"),
        "script": script(*MATHEMATICS, *PICTURES),
        "contents": json.dumps(contents, allow_nan=False).replace("<", "\\u003c"),  # so that nothing ends the element
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], _part("template.html"))


def script(*names: str) -> str:
    """The page's files of these names as one text."""
    return "\n".join(_part(f"{name}.js") for name in names)


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


def _text(values: ArrayLike, kind: Any = "<f8") -> str:
    """Numbers as text: base64 of their bytes, the lowest first."""
    return base64.b64encode(np.asarray(values, kind).tobytes()).decode("ascii")


def _network(perceptron: Perceptron) -> dict[str, Any]:
    flat = [values.ravel() for layer in perceptron.layers for values in layer]
    return {
        "octaves": perceptron.octaves,
        "embedding": perceptron.embedding,
        "residual": perceptron.residual,
        "layers": [weight.shape for weight, _ in perceptron.layers],
        "weights": _text(np.concatenate(flat), "<f4"),
    }


def _points(data: ArrayLike) -> np.ndarray:
    return _checks.array("data", data, ("N", 2), np.float64)[:POINTS]
