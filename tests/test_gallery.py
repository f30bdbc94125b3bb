"""The gallery's pictures are those that today's code makes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from checks.gallery import EXAMPLES, gallery

GALLERY = gallery()
AGAIN = "run: python examples/_gallery.py {}"


def test_each_picture_has_one_record() -> None:
    pictures = {path.name for path in GALLERY.GALLERY.iterdir() if path.suffix != ".json"}
    assert pictures == {picture for made in GALLERY.PICTURES.values() for picture in made}
    assert {path.stem for path in GALLERY.GALLERY.glob("*.json")} == set(GALLERY.PICTURES)


@pytest.mark.parametrize("name", GALLERY.PICTURES)
def test_the_code_that_draws_is_that_of_the_picture(name: str) -> None:
    assert GALLERY.record(name)["code"] == GALLERY.code(name), AGAIN.format(name)


def test_a_training_of_the_study_gives_what_it_gave() -> None:
    """The other examples' short runs are in test_examples.py."""
    name = "which_schedule"
    assert GALLERY.differ(GALLERY.short(name), GALLERY.record(name)["short"]) == [], AGAIN.format(name)


def test_the_digest_sees_code_and_no_comment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GALLERY, "EXAMPLES", tmp_path)
    helper, example = tmp_path / "_helper.py", tmp_path / "spiral.py"

    def digest(of_helper: str, of_example: str) -> str:
        helper.write_text(of_helper)
        example.write_text(f"import _helper\n{of_example}")
        return str(GALLERY.code("spiral"))

    first = digest("A = 1", "def f():\n    return _helper.A\n")
    assert digest("A = 1  # one", 'def f():\n    """Told."""\n    return _helper.A\n') == first
    assert digest("A = 2", "def f():\n    return _helper.A\n") != first
    assert digest("A = 1", "def f():\n    return -_helper.A\n") != first


def test_the_digest_is_that_of_every_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer Pythons have more fields, empty in what older ones can read, and leave the empty ones out in a dump."""
    monkeypatch.setattr(GALLERY, "EXAMPLES", tmp_path)
    (tmp_path / "spiral.py").write_text("def f():\n    return 0\n")
    before = GALLERY.code("spiral")
    monkeypatch.setattr(ast.FunctionDef, "_fields", (*ast.FunctionDef._fields, "newer"))
    monkeypatch.setattr(ast.FunctionDef, "newer", [], raising=False)
    assert GALLERY.code("spiral") == before


def test_numbers_are_found_and_compared() -> None:
    printed = "out/spiral_1.5.png\nenergy distance  0.25 -1.5e-03\nof 4000 points, 98.6 %\n"
    assert GALLERY.numbers(printed) == [0.25, -0.0015, 98.6]
    assert GALLERY.differ([1.0, 0.001], [1.01, 0.0]) == []
    assert GALLERY.differ([1.0, 0.01], [1.03, 0.0]) == [(1.0, 1.03), (0.01, 0.0)]
    with pytest.raises(ValueError, match="zip"):
        GALLERY.differ([1.0], [])


def test_every_short_run_is_of_an_example() -> None:
    assert all((EXAMPLES / f"{name}.py").is_file() for name in GALLERY.PICTURES)
    assert set(GALLERY.SHORT) == set(GALLERY.PICTURES) - {"which_schedule"}
