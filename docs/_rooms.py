"""What the house is, as it stands in the files: its floors, its rooms, and which room imports which."""

from __future__ import annotations

import ast
import configparser
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "numpy_diffusion"


@dataclass(frozen=True)
class House:
    """The package as rooms.

    Attributes
    ----------
    floors : the names of the rooms, top floor first, as setup.cfg's contract of import-linter lists them
    files, lines : by room
    about : what a room says of itself: the first sentence of its `__init__`, or of its file
    imports : by (room, room that it imports from), how many names or modules it takes from there
    """

    floors: list[list[str]]
    files: Counter[str]
    lines: Counter[str]
    about: dict[str, str]
    imports: Counter[tuple[str, str]]

    @property
    def ground(self) -> list[str]:
        """The lowest floor, on which nearly all stand."""
        return self.floors[-1]

    def floor(self, room: str) -> int:
        """Counted from the top, 0."""
        return next(number for number, rooms in enumerate(self.floors) if room in rooms)

    def needs(self, room: str) -> list[str]:
        """The rooms that it imports from, top floor first."""
        return [other for rooms in self.floors for other in rooms if (room, other) in self.imports]


def read(root: Path = ROOT) -> House:
    """The house of a checkout.

    Raises
    ------
    ValueError : a room that setup.cfg puts on no floor
    """
    settings = configparser.ConfigParser()
    settings.read(root / "setup.cfg")
    layers = settings["importlinter:contract:order"]["layers"].strip().splitlines()
    floors = [[room.strip() for room in layer.split(":")] for layer in layers]
    known = {room for rooms in floors for room in rooms}

    files, lines, imports, about = Counter[str](), Counter[str](), Counter[tuple[str, str]](), {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        room, text = parts[0], path.read_text()
        if room.startswith("__"):  # the door, `import numpy_diffusion`, and `python -m numpy_diffusion`
            continue
        if room not in known:
            raise ValueError(f"{path}: expected a room of setup.cfg's layers, got {room}")
        tree = ast.parse(text)
        files[room] += 1
        lines[room] += len(text.splitlines())
        imports.update((room, other) for other in _imported(tree) if other != room)
        if parts in [(room,), (room, "__init__")]:
            about[room] = _first_sentence(ast.get_docstring(tree) or "")
    return House(floors, files, lines, about, imports)


def _imported(tree: ast.Module) -> Iterator[str]:
    """The room of each name that a file imports from the package."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name.name}" for name in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}."))


def _first_sentence(text: str) -> str:
    """Of a docstring: up to the first full stop with two spaces, or the end of the paragraph; on one line."""
    sentence = text.split("\n\n")[0].split(".  ")[0]
    return " ".join(sentence.split()).rstrip(".:")


def table(house: House) -> str:
    """The rooms as a Markdown table, for a page in docs/: floor by floor, and what each imports from."""
    rows = ["| floor | room | what it is | imports from |", "|---|---|---|---|"]
    for number, rooms in enumerate(house.floors):
        for room in rooms:
            place = f"{room}/" if (ROOT / PACKAGE / room).is_dir() else f"{room}.py"
            needs = ", ".join(house.needs(room)) or "nothing"
            link = f"[`{place}`](../{PACKAGE}/{place})"
            rows.append(f"| {len(house.floors) - 1 - number} | {link} | {house.about[room]} | {needs} |")
    return "\n".join(rows) + "\n"
