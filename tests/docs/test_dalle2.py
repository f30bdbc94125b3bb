"""docs/dalle2.md: its code runs, and its figures are those of the pictures' records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checks import pages
from checks.gallery import gallery

PAGE = Path(__file__).parents[2] / "docs" / "dalle2.md"


def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pages.run(PAGE, {})["drawn"].shape == (3, 3, 64, 64)


def test_the_figures_told_of_dalle_2_are_those_of_their_records() -> None:
    page, names = PAGE.read_text(), ("thing", "colour", "size", "place", "all four")
    told, lines = " ".join(page.split()), gallery().record("dalle2")["printed"]
    printed = " ".join(lines)
    for captions, images in re.findall(r"captions is found in ([\d.]+%), of images in ([\d.]+%)", printed):
        assert (
            f"{captions} and the right one of 100 pictures in {images}" in told or f"{captions} and {images}" in told
        )
    for decibels, bicubic in re.findall(r": ([\d.]+) dB against ([\d.]+),", printed):
        assert f"{decibels} " in told
        assert f"{bicubic}" in told
    [milliseconds] = re.findall(r"A picture takes ([\d,]+) ms", printed)
    assert f"a picture then takes {milliseconds} ms" in told
    shares = {name: [line.split()[-3:] for line in lines if line.strip().startswith(name)] for name in names}
    for number, part in enumerate(("seen", "held out")):
        for k, size in enumerate((32, 64, 128)):
            row = " | ".join(shares[name][number][k] for name in names)
            assert f"| {part}, {size} x {size} | {row} |" in page

    for line in gallery().record("dalle2_tricks")["printed"]:
        if line.count("%") == len(names):
            assert f"| {' | '.join(line.split()[-5:])} |" in page
