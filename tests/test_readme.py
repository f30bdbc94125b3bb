"""The README's code runs as it stands, and what it points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import numpy_diffusion as nd

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = "".join(blocks("python"))
    assert "steps=10_000" in source
    names: dict[str, object] = {}
    exec(source.replace("steps=10_000", "steps=50, progress=False"), names)
    assert (tmp_path / "runs" / "spiral" / "model.safetensors").exists()
    assert names["late"].shape == (100, 2)  # type: ignore[attr-defined]
    assert names["x"].shape == (1000, 3)  # type: ignore[attr-defined]
    assert names["log_p"].shape == (10,)  # type: ignore[attr-defined]
    assert names["table"].shape == (1000, 3)  # type: ignore[attr-defined]
    assert names["digits"].shape == (8, 1, 8, 8)  # type: ignore[attr-defined]
    assert (names["half"][..., :4] == names["images"].x0[0][..., :4]).all()  # type: ignore[attr-defined]


def test_the_shell_commands_are_ones_that_the_program_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numpy_diffusion.cli.commands import main

    monkeypatch.chdir(tmp_path)
    lines = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    commands = [line[1:] for line in lines if line[0] == "numpy-diffusion"]
    assert len(commands) == 7
    for command in commands:
        short = {"train": ["--steps", "20"], "sample": ["--steps", "20"]}.get(command[0], [])
        few = (
            [] if "--resume" in command else short + ["--n", "300"] * (command[:3] == ["train", "--data", "airplane"])
        )
        assert main([*command, *few]) == 0


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    assert len(links) > 20
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_two_commands_stand_first() -> None:
    first, second = blocks("sh")[:2]
    assert first.strip() == "python -m pip install . && python examples/spiral.py"
    assert second.strip() == "python -m pip install '.[test]' && python -m pytest"


def test_the_names_of_the_table_exist() -> None:
    for module, name in re.findall(r"`(forward|reverse)\.(?!py)(\w+)`\]", TEXT):
        assert hasattr(__import__(f"numpy_diffusion.process.{module}", fromlist=[name]), name)
    assert nd.__version__ in (ROOT / "CHANGELOG.md").read_text()
