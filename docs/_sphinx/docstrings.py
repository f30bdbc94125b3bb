"""The package's docstrings are plain text that numpydoc can read; here they become reStructuredText.

What is a sign of arithmetic in them would be markup there: [n, *shape], |a - b|, x_.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEADED = re.compile(r"^(\s*)Attributes \((.+)\)$")  # with what all attributes have in common
NAMED = re.compile(r"^(\s*)(\S[^:]*) :\s*(.*)$")  # name : what it is
SIGNS = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")
LISTS = {"Parameters", "Attributes", "Raises", "Yields"}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=100)  # before numpydoc
    return {"version": "1", "parallel_read_safe": True}


def process(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Change the lines in place: signs escaped, and what stands behind "name :" below it, as numpydoc has it.

    The common words of "Attributes (...)" come to stand above that section.
    """
    made: list[str] = []
    section, indent = "", ""
    for number, line in enumerate(lines):
        if number + 1 < len(lines) and re.fullmatch(r"\s*-{3,}", lines[number + 1]):
            headed = HEADED.match(line)
            if headed:
                made += [f"{headed[1]}Attributes are {_escaped(headed[2])}.", "", f"{headed[1]}Attributes"]
            else:
                made.append(line)
            section, indent = made[-1].strip(), line[: len(line) - len(line.lstrip())]
        elif re.fullmatch(r"\s*-{3,}", line):
            made.append(f"{indent}{'-' * len(section)}")
        elif section in LISTS and (named := NAMED.match(line)) and named[1] == indent:
            made += [f"{indent}{_escaped(named[2])}", f"{indent}    {_escaped(named[3])}"]
        else:
            made.append(_escaped(line))
    lines[:] = made


def _escaped(line: str) -> str:
    """The line with its signs of arithmetic as such; code, which stands behind >>> or in `backticks`, as it is."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(``[^`]*``|`[^`]*`)", line)
    return "".join(part if part.startswith("`") else SIGNS.sub(r"\\\g<0>", part) for part in parts)
