"""What the site makes of the package's docstrings."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs" / "_sphinx"))
    return importlib.import_module("docstrings")


def made(docstrings: ModuleType, text: str) -> str:
    lines = text.splitlines()
    docstrings.process(None, "function", "f", None, None, lines)
    return "\n".join(lines)


def test_signs_of_arithmetic_are_no_markup(docstrings: ModuleType) -> None:
    assert made(docstrings, "|a - b|, [n, *shape], x_, `*code*`") == r"\|a - b\|, [n, \*shape], x\_, `*code*`"
    assert made(docstrings, ">>> f(*args) | x_") == ">>> f(*args) | x_"


def test_what_stands_behind_a_name_comes_to_stand_below_it(docstrings: ModuleType) -> None:
    text = "Parameters\n----------\nx0, xt : [N, ...]\nseed : of noise;\n    the same\n\nNotes\n-----\na : b"
    assert made(docstrings, text) == (
        "Parameters\n----------\nx0, xt\n    [N, ...]\nseed\n    of noise;\n    the same\n\nNotes\n-----\na : b"
    )


def test_what_all_attributes_have_in_common_stands_above_them(docstrings: ModuleType) -> None:
    text = "Attributes (float64 [T + 1])\n----------\nbeta : a variance"
    assert made(docstrings, text) == (
        "Attributes are float64 [T + 1].\n\nAttributes\n----------\nbeta\n    a variance"
    )
