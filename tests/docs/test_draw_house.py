"""The drawing of the house, and the table of its rooms: both as old as the imports, and read from them rightly."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("draw_house")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout of three rooms: a package over two files, of which one imports the other."""
    package = tmp_path / "numpy_diffusion"
    (package / "top" / "inner").mkdir(parents=True)
    layers = "    top\n    middle : beside\n    low\n"
    (tmp_path / "setup.cfg").write_text(f"[importlinter:contract:order]\nlayers =\n{layers}")
    (package / "__init__.py").write_text("from numpy_diffusion import top\n")
    (package / "top" / "__init__.py").write_text('"""The top: of all.  More\nof it."""\n')
    (package / "top" / "inner" / "a.py").write_text(
        "from numpy_diffusion import middle, low as l\nfrom numpy_diffusion.top import b\nimport numpy as np\n"
    )
    (package / "top" / "b.py").write_text("def f():\n    from numpy_diffusion.low import one, two\n")
    (package / "middle.py").write_text('"""In the\nmiddle."""\n\nimport numpy_diffusion.low\n')
    (package / "beside.py").write_text('"""Beside."""\n')
    (package / "low.py").write_text('"""Below."""\n')
    return tmp_path


def test_drawing_and_table_are_as_the_imports_are(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["draw_house.py", "--out", str(tmp_path)])
    program.main()
    advice = "run `python docs/draw_house.py`"
    assert (tmp_path / program.PAGE).read_text() == (DOCS / program.PAGE).read_text(), advice
    made, kept = (Image.open(folder / program.PICTURE) for folder in (tmp_path, DOCS))
    assert made.info["Description"] == kept.info["Description"], advice
    assert np.asarray(made.convert("L")).std() > 20.0


def test_a_house_is_read_from_its_files(program: ModuleType, small: Path) -> None:
    house = program._rooms.read(small)
    assert house.floors == [["top"], ["middle", "beside"], ["low"]]
    assert house.files == {"top": 3, "middle": 1, "beside": 1, "low": 1}
    assert house.lines == {"top": 7, "middle": 4, "beside": 1, "low": 1}
    assert house.about == {"top": "The top: of all", "middle": "In the middle", "beside": "Beside", "low": "Below"}
    assert house.imports == {("top", "middle"): 1, ("top", "low"): 3, ("middle", "low"): 1}
    assert house.needs("top") == ["middle", "low"]
    assert [house.floor(room) for room in ("top", "beside", "low")] == [0, 1, 2]
    (small / "numpy_diffusion" / "attic.py").write_text("")
    with pytest.raises(ValueError, match=r"attic\.py: expected a room of setup\.cfg's layers, got attic"):
        program._rooms.read(small)


def test_no_line_runs_behind_a_box(program: ModuleType) -> None:
    house = program._rooms.read()
    places = program.columns(house)
    assert sorted(set(places.values())) == list(range(max(places.values()) + 1))
    assert len(set(places.values())) < len(places)
    for one, other in itertools.combinations(places, 2):
        assert (places[one], house.floor(one)) != (places[other], house.floor(other))
    for (begin, end), room in itertools.product(house.imports, places):
        if end in places and house.floor(begin) < house.floor(room) < house.floor(end):
            assert places[room] != places[end], (begin, end, room)


def test_the_table_goes_between_its_marks(program: ModuleType) -> None:
    begin, end = program.MARKS
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    assert program.with_table(page, "| \\1 |\n") == f"before\n{begin}\n| \\1 |\n{end}\nafter\n"
    with pytest.raises(ValueError, match=r"expected the marks .* once, got them 0 times"):
        program.with_table("before\nafter\n", "| new |\n")
