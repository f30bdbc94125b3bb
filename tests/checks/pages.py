"""What a page of Markdown shows and points to: its code, its links, and whether what it names is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy_diffusion.cli.commands import main

ROOT = Path(__file__).parents[2]
MADE_AT_BUILD = "api/", "auto_examples/"  # of the site, whose build fails where such a link is wrong


def blocks(page: Path, language: str) -> list[str]:
    """The code in this language, block by block."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def run(page: Path, shorter: Mapping[str, str]) -> dict[str, Any]:
    """Run the page's Python from top to bottom, some of its numbers smaller, and give the names that it makes."""
    source = "".join(blocks(page, "python"))
    for long, short in shorter.items():
        assert long in source
        source = source.replace(long, short)
    names: dict[str, Any] = {}
    exec(source, names)
    return names


def commands(page: Path) -> list[list[str]]:
    """The arguments of each call of the command `numpy-diffusion` that the page shows."""
    lines = [line.split("#")[0].split() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "numpy-diffusion"]


def carry_out(command: list[str]) -> None:
    """Run a command in short."""
    short = {"train": ["--steps", "6", "--T", "20"], "sample": ["--steps", "6"]}.get(command[0], [])
    few = ["--n", "300"] * (command[:3] == ["train", "--data", "airplane"])
    assert main([*command, *([] if "--resume" in command else short + few)]) == 0


def told(page: Path) -> str:
    """The page's text in one line."""
    return " ".join(page.read_text().split())


def links(page: Path) -> list[tuple[str, Path]]:
    """Text and target of the links to files, pictures among them, each target from the root of the disk."""
    found = re.findall(r"\[([^\]]*)\]\(([^)#]+)\)", page.read_text())
    return [
        (text.strip(), _source((page.parent / target).resolve()))
        for text, target in found
        if "://" not in target and not target.startswith(MADE_AT_BUILD)
    ]


def _source(path: Path) -> Path:
    """Where a page of the site stands in the repository: the course is copied to it when it is built."""
    return (
        ROOT / "examples" / path.relative_to(ROOT / "docs") if path.is_relative_to(ROOT / "docs" / "course") else path
    )


def wrong_links(page: Path) -> list[str]:
    """The links that lead to no file, or whose text is a name, as `file.function`, that the file does not define."""
    wrong = []
    for text, target in links(page):
        word = re.fullmatch(r"`([\w./]+)`", text)
        if not target.exists():
            wrong.append(f"{text}: no {target.name}")
        elif word is not None and target.suffix == ".py" and not _stands_in(word[1], target):
            wrong.append(f"{text}: not in {target.name}")
        elif word is not None and "/" in word[1] and not target.as_posix().endswith(word[1].rstrip("/")):
            wrong.append(f"{text}: leads to {target}")
    return wrong


def _stands_in(word: str, file: Path) -> bool:
    """Whether a word is the file's name, or, behind the file's or a class's name, something that it defines."""
    if word.endswith(".py"):
        return Path(word).name == file.name
    *before, name = word.split(".")
    text = file.read_text()

    def defined(what: str) -> bool:
        return re.search(rf"^\s*(def|class) {what}\b|^{what}\b", text, flags=re.MULTILINE) is not None

    return name == file.stem or (defined(name) and all(one == file.stem or defined(one) for one in before))
