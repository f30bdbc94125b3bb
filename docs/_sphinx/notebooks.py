"""The lectures as Jupyter notebooks, of the same source as the pages.

    python docs/_sphinx/notebooks.py docs/_build/notebooks

What a page includes from the package's source is written out, since a notebook can include nothing.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import textwrap
from pathlib import Path

COURSE = Path(__file__).parents[2] / "examples" / "course"
DIRECTIVE = re.compile(r"^( *)```\{literalinclude\} (\S+)\n((?: *:.*\n)*) *```$", re.MULTILINE)
ADMONITION = re.compile(r"^```\{(note|warning)\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE_CELL = re.compile(r"^```\{code-cell\} python\n(?:---\n.*?\n---\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def lectures() -> list[Path]:
    return sorted(COURSE.glob("lecture*.md"))


def code_cells(page: str) -> list[str]:
    """The code that a page runs, cell by cell."""
    return CODE_CELL.findall(page)


def included(page: str, folder: Path = COURSE) -> list[str]:
    """The source that each of a page's literalincludes shows."""
    return [_source(folder / path, _options(options)) for _, path, options in DIRECTIVE.findall(page)]


def written_out(page: str, folder: Path, place: Path) -> str:
    """A page's text for a notebook that lies in `place`: source instead of inclusions, links that lead on."""

    def source(found: re.Match[str]) -> str:
        text = f"```python\n{_source(folder / found[2], _options(found[3]))}\n```"
        return textwrap.indent(text, found[1])

    def quoted(found: re.Match[str]) -> str:
        return textwrap.indent(f"**{found[1].capitalize()}.** {found[2].strip()}", "> ", lambda line: True)

    def led(found: re.Match[str]) -> str:
        return f"]({Path(os.path.relpath(folder / found[1], place)).as_posix()}"

    return ADMONITION.sub(quoted, DIRECTIVE.sub(source, LINK.sub(led, page)))


def _options(lines: str) -> dict[str, str]:
    """The options of a literalinclude."""
    found = re.findall(r":([\w-]+): *(.*)", lines)
    return {name: value.strip().strip('"') for name, value in found}


def _source(path: Path, options: dict[str, str]) -> str:
    """The lines of a file that the options choose, as Sphinx does.

    Raises
    ------
    ValueError : an object or a line that is not there, or an option that is not known here
    """
    if unknown := set(options) - {"pyobject", "start-at", "end-before", "dedent"}:
        raise ValueError(f"{path.name}: expected options that are known here, got {', '.join(sorted(unknown))}")
    text = path.read_text()
    lines = text.splitlines()
    if name := options.get("pyobject"):
        node = _defined(ast.parse(text), name.split("."))
        if node is None or node.end_lineno is None:
            raise ValueError(f"{path.name}: expected a definition of {name}, found none")
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = lines[first - 1 : node.end_lineno]
    if start := options.get("start-at"):
        lines = lines[_place(path, lines, start) :]
    if end := options.get("end-before"):
        lines = lines[: _place(path, lines, end)]
    width = int(options.get("dedent", 0))
    return "\n".join(line[width:] for line in lines).rstrip()


def _defined(tree: ast.AST, name: list[str]) -> ast.FunctionDef | ast.ClassDef | None:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name[0]:
            return node if len(name) == 1 else _defined(node, name[1:])
    return None


def _place(path: Path, lines: list[str], text: str) -> int:
    for number, line in enumerate(lines):
        if text in line:
            return number
    raise ValueError(f"{path.name}: expected a line with {text!r}, found none")


def main(place: Path) -> None:
    import jupytext

    place.mkdir(parents=True, exist_ok=True)
    for page in lectures():
        notebook = jupytext.reads(written_out(page.read_text(), page.parent, place), fmt="md:myst")
        target = place / f"{page.stem}.ipynb"
        jupytext.write(notebook, target, fmt="ipynb")
        print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
