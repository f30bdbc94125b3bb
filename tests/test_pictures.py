"""Who draws what: an object's picture is that of the function that has said so, and else there is none."""

from __future__ import annotations

import pytest

from numpy_diffusion import _pictures


class Kind:
    """Something that can be drawn."""


class Finer(Kind):
    """Another kind, which must say for itself who draws it."""


def test_a_kind_is_drawn_by_who_has_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pictures, "_draw_by_kind", {})
    assert _pictures.png(Kind()) is None

    @_pictures.draws(Kind)
    def draw(thing: Kind) -> bytes:
        return f"a {type(thing).__name__}".encode()

    assert _pictures.png(Kind()) == b"a Kind" == draw(Kind())
    assert _pictures.png(Finer()) is None
