"""The README's code runs as it stands, and what it points to is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import pages

import numpy_diffusion as nd

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
SCREENS_AND_A_HALF = 100  # lines


def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = pages.run(PAGE, {"steps=10_000": "steps=50, progress=False", "n=4096": "n=200", "steps=100": "steps=10"})
    assert (tmp_path / "runs" / "spiral" / "model.safetensors").exists()
    assert (names["x"].shape, names["log_p"].shape) == ((200, 2), (10,))


def test_the_shell_commands_are_ones_that_the_program_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = pages.commands(PAGE)
    assert [command[0] for command in commands] == ["train", "sample"]
    for command in commands:
        pages.carry_out(command)


def test_every_link_leads_to_what_it_names() -> None:
    assert len(pages.links(PAGE)) > 10
    assert pages.wrong_links(PAGE) == []


def test_it_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) < SCREENS_AND_A_HALF


def test_the_two_commands_stand_first() -> None:
    first, second = pages.blocks(PAGE, "sh")[:2]
    assert first.strip() == "python -m pip install . && python examples/spiral.py"
    assert second.strip() == "python -m pip install '.[test]' && python -m pytest"


def test_the_changelog_tells_of_this_version() -> None:
    assert nd.__version__ in (ROOT / "CHANGELOG.md").read_text()
