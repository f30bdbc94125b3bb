"""The hall of broken implementations: the page is today's, every slip is found, and the game can be won."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COURSE = Path(__file__).parent.parent / "examples" / "course"


@pytest.fixture
def hall(monkeypatch):
    monkeypatch.syspath_prepend(COURSE)
    return importlib.import_module("hall")


def test_every_file_has_its_entry_and_its_picture(hall):
    files = {path.stem for path in hall.HALL.glob("*.py")}
    assert files == {entry.file for entry in hall.ENTRIES} == {path.stem for path in hall.HALL.glob("*.png")}
    assert len(files) >= 12
    for name in files:
        assert len((hall.HALL / f"{name}.py").read_text().splitlines()) <= 25
        assert np.asarray(Image.open(hall.HALL / f"{name}.png").convert("L")).std() > 5.0


def test_the_page_is_todays(hall):
    """Its code, its lines and what the checks say; if not, run: python examples/course/hall.py --write"""
    assert hall.PAGE.read_text().splitlines() == list(hall.page())


def test_the_checks_of_the_package_name_the_slip(hall):
    for entry in hall.ENTRIES:
        if entry.check.endswith("sentence"):
            sentence = hall.found(entry)
            assert len(sentence) > 20
            assert not sentence.startswith(("No known slip", "No answer"))
    assert sum(entry.check.endswith("sentence") for entry in hall.ENTRIES) >= 9


def test_the_pictures_can_be_drawn(hall, monkeypatch):
    pictures = importlib.import_module("_hall_pictures")
    monkeypatch.setattr(pictures, "N", 20)
    monkeypatch.setattr(pictures, "TRAINING", 5)
    for entry in hall.ENTRIES:
        left, right = hall.picture(entry).axes
        assert left.get_title().startswith("right: ")
        assert right.get_title().startswith("broken: ")
        assert left.has_data()
        assert right.has_data()


def test_the_game_is_won_by_who_knows_the_lines(hall, capsys):
    answers = [str(hall.shown(entry)[2]) for entry in hall.ENTRIES]
    asked = iter([*answers[:-1], "1"])
    assert hall.play(lambda _: next(asked)) == len(answers) - 1
    out = capsys.readouterr().out
    assert out.count("\nYes, line ") == len(answers) - 1
    assert out.endswith(f"\n{len(answers) - 1} of {len(answers)}.\n")
