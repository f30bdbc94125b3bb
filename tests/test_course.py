"""The labs' texts, skeletons and solutions belong together, and the solutions are right."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from numpy_diffusion.evaluation.labs import LABS, check_lab

COURSE = Path(__file__).parent.parent / "examples" / "course"


def parsed(path: Path, without: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """A file without the bodies of some functions, and these; the docstrings stay."""
    tree, bodies = ast.parse(path.read_text()), {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in without:
            bodies[node.name] = "\n".join(map(ast.unparse, node.body[1:]))
            node.body = node.body[:1]
    return ast.unparse(tree), bodies


@pytest.mark.parametrize("lab", LABS)
def test_a_solution_is_right_and_a_skeleton_is_it_without_the_bodies(lab: int) -> None:
    names = tuple(task.names[-1] for task in LABS[lab])
    skeleton, solution = COURSE / f"lab{lab}.py", COURSE / "solutions" / f"lab{lab}.py"
    (rest, empty), (whole, bodies) = parsed(skeleton, names), parsed(solution, names)
    assert rest == whole
    assert empty == dict.fromkeys(names, "raise NotImplementedError")
    assert bodies.keys() == set(names)
    report = check_lab(lab, runpy.run_path(str(solution)))
    assert report.right, report
    undone = check_lab(lab, runpy.run_path(str(skeleton)))
    assert not any(answer.right for answer in undone.answers)
    assert "NotImplementedError" in str(undone)


@pytest.mark.parametrize("lab", LABS)
def test_the_text_names_what_there_is_to_do(lab: int) -> None:
    text = (COURSE / f"lab{lab}.md").read_text()
    assert text.startswith(f"# Lab {lab}: ")
    for said in (f"numpy-diffusion check lab{lab} lab{lab}.py", f"python lab{lab}.py", f"(solutions/lab{lab}.py)"):
        assert said in text
    for task in LABS[lab]:
        assert f"`{task.names[-1]}" in text


@pytest.mark.parametrize("lab", LABS)
def test_a_solution_shows_something(lab: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"lab{lab}.py"])
    plt.switch_backend("agg")
    runpy.run_path(str(COURSE / "solutions" / f"lab{lab}.py"), run_name="__main__")
    plt.close("all")
    assert [path.name for path in tmp_path.iterdir()] == ([] if lab == 4 else [f"lab{lab}.png"])
