"""The lectures: their code runs, what they include from the source is there, and their links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.figure import Figure

from numpy_diffusion.kernels.backend import backend

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "examples" / "course"
LECTURES = sorted(COURSE.glob("lecture*.md"))


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_sphinx"))
    return importlib.import_module("notebooks")


def run(cell: str, names: dict[str, object]) -> object:
    """Run a cell as a notebook does, and return what its last line says, if it is an expression."""
    *before, last = ast.parse(cell).body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    exec(compile(ast.Module([last], []), "cell", "exec"), names)
    return None


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_code_runs_and_ends_in_a_figure(
    lecture: Path, notebooks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with backend("numpy"):  # a page's cells are small: compiling takes longer than they do
        shown = [run(cell, names) for cell in notebooks.code_cells(lecture.read_text())]
    assert isinstance(shown[-1], Figure)
    assert len(shown) >= 3


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_the_source_that_it_includes_is_there(lecture: Path, notebooks: ModuleType) -> None:
    page = lecture.read_text()
    found = notebooks.included(page)
    assert len(found) == page.count("{literalinclude}") >= 3
    for source in found:
        assert 1 <= len(source.splitlines()) <= 40
        assert source[0] != " "


def test_there_are_six_lectures_and_every_link_of_the_course_leads_somewhere() -> None:
    assert len(LECTURES) == 6
    wrong = [
        f"{page.name}: {target}"
        for page in sorted(COURSE.glob("*.md"))
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
        if not (COURSE / target).exists()
    ]
    assert wrong == []


def test_inclusions_are_written_out_in_a_notebook(notebooks: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def f():\n    x = 1\n    y = 2\n    return x + y\n\n\nclass A:\n    def g(self): ...\n"
    )
    page = (
        "See [it](a.py).\n\n```{literalinclude} a.py\n:pyobject: f\n:start-at: y =\n:dedent: 4\n```\n\n"
        "- ```{literalinclude} a.py\n  :pyobject: A.g\n  :dedent: 4\n  ```\n\n```{note}\nSo it is.\n```\n"
    ).replace("- ```", "  ```")
    place = tmp_path / "there"
    found = notebooks.written_out(page, tmp_path, place)
    assert found == (
        "See [it](../a.py).\n\n```python\ny = 2\nreturn x + y\n```\n\n"
        "  ```python\n  def g(self): ...\n  ```\n\n> **Note.** So it is.\n"
    )


def test_what_is_not_there_is_named(notebooks: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    return 1\n")
    for options, message in {
        ":pyobject: g": "a.py: expected a definition of g, found none",
        ":pyobject: f\n:start-at: x": "a.py: expected a line with 'x', found none",
        ":lines: 1": "a.py: expected options that are known here, got lines",
    }.items():
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            notebooks.included(f"```{{literalinclude}} a.py\n{options}\n```", tmp_path)
