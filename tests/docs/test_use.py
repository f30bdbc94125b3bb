"""docs/use.md: its code runs, the command takes what it shows, and its figures are those of the pictures' records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checks import pages
from checks.gallery import gallery

PAGE = Path(__file__).parents[2] / "docs" / "use.md"
APART = ("  samples", "  other real digits")  # what stands before the distances
SHORTER = {"steps=10_000": "steps=50, progress=False", "n=4096": "n=200", "size=(5000, 3)": "size=(300, 3)"}


def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = pages.run(PAGE, SHORTER)
    assert (tmp_path / "runs" / "spiral" / "model.safetensors").exists()
    shapes = {"late": (100, 2), "x": (1000, 3), "log_p": (10,), "table": (1000, 3), "digits": (8, 1, 8, 8)}
    assert {name: names[name].shape for name in shapes} == shapes
    assert (names["half"][..., :4] == names["images"].x0[0][..., :4]).all()


def test_the_shell_commands_are_ones_that_the_program_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = pages.commands(PAGE)
    assert len(commands) == 7
    for command in commands:
        pages.carry_out(command)


def test_the_figures_told_of_digits_are_those_of_their_record() -> None:
    told, digits = pages.told(PAGE), gallery().record("digits")
    [right] = re.findall(r"and ([\d.]+%) of 1,000 samples", " ".join(digits["printed"]))
    minutes = round(digits["seconds"] / 60)
    asked = f"a classifier of real digits reads {right}"
    assert f"draws 1,000 of its own, in {minutes} minutes on two cores; {asked}" in told
    distance, of_real = (line.split()[-1] for line in digits["printed"] if line.split(":")[0] in APART)
    assert f"in the classifier's features, is {distance}; that of other real digits is {of_real}." in told
