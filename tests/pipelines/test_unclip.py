"""DALL-E 2 as a whole: a call is its stages one after the other, a picture is the same whatever else is drawn."""

from __future__ import annotations

from checks.unclip import pipeline


def test_its_lines_say_what_it_is_of() -> None:
    found = repr(pipeline())
    assert found.startswith("UnCLIP\n  CLIPTextWithProjection(")
    for part in ("WordTokenizer: ", "PriorTransformer(", "TextProjection(", "UNet(", "Stage(", "CLIPVisionWith"):
        assert part in found
    assert len(found.splitlines()) == 12
