"""How an object shows itself in a notebook, though the room that defines it knows no matplotlib.

A notebook asks an object for `_repr_png_`.  A class whose picture says more than its words answers with `png(self)`;
who knows how to draw it, on a floor above, says so by `draws`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Draw = Callable[[Any], bytes | None]

_draw_by_kind: dict[type, Draw] = {}


def draws(kind: type) -> Callable[[Draw], Draw]:
    """A decorator: the function makes the PNG of an object of this kind, or None where there is nothing to see."""

    def register(draw: Draw) -> Draw:
        _draw_by_kind[kind] = draw
        return draw

    return register


def png(thing: Any) -> bytes | None:
    """The object as a PNG; None where nobody draws it, which leaves its words."""
    draw = _draw_by_kind.get(type(thing))
    return None if draw is None else draw(thing)
