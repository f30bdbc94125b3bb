"""The index of the reference: every public name of `nd`, grouped by the room that it lives in.

It is made of `nd.__all__` and of the rooms' own docstrings, so that no name can be forgotten; autosummary makes a
page of each name.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy_diffusion as nd

ORDER = [  # from the paper to whole systems
    "process", "models", "sampling", "training", "evaluation", "oracles", "networks", "pipelines", "interop", "data",
    "figures", "parallel", "kernels",
]  # fmt: skip
HEAD = """Reference
=========

Every public name, by the folder that it lives in.  After ``import numpy_diffusion as nd`` each of those of the first
table of a folder is ``nd.name``, and each of those of a module ``nd.module.name``.  Shapes are in square brackets:
``[N, D]`` is an array of N samples of D numbers each, and ``[N, ...]`` one of N samples of any shape.
"""


def write(folder: Path) -> None:
    """Write index.rst there, if it is another than the one that there is."""
    names, modules = public()
    parts = [HEAD]
    for room in sorted({*names, *modules}, key=ORDER.index):
        parts.append(_heading(room, "-"))
        parts.append(_escaped(_first_sentence(importlib.import_module(f"numpy_diffusion.{room}"))))
        parts.append(_table(names.get(room, [])))
        for name, members in modules.get(room, {}).items():
            parts += [_heading(f"nd.{name}", "^"), _table(members)]
    text = "\n\n".join(part for part in parts if part) + "\n"
    index = folder / "index.rst"
    folder.mkdir(exist_ok=True)
    if not index.exists() or index.read_text() != text:
        index.write_text(text)


def public() -> tuple[dict[str, list[str]], dict[str, dict[str, list[str]]]]:
    """By room: the full names of `nd.__all__`, and those of each module that stands there."""
    names: dict[str, list[str]] = {}
    modules: dict[str, dict[str, list[str]]] = {}
    for name in nd.__all__:
        found = getattr(nd, name)
        if isinstance(found, ModuleType):
            modules.setdefault(_room(found.__name__), {})[name] = _members(found)
        else:
            names.setdefault(_room(found.__module__), []).append(f"numpy_diffusion.{name}")
    return names, modules


def _room(module: str) -> str:
    room = module.split(".")[1]
    return "kernels" if room == "_compile" else room


def _members(module: ModuleType) -> list[str]:
    """The functions and classes that a module shows."""
    shown = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = []
    for name in shown:
        member: Any = getattr(module, name)
        theirs = getattr(member, "__module__", "") or ""
        if (inspect.isfunction(member) or inspect.isclass(member)) and theirs.startswith(module.__name__):
            found.append(f"{module.__name__}.{name}")
    return found


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}"


def _first_sentence(module: ModuleType) -> str:
    return " ".join((module.__doc__ or "").split("\n\n")[0].split())


def _escaped(text: str) -> str:
    return text.replace("`", "``").replace("|", "\\|")


def _table(names: list[str]) -> str:
    if not names:
        return ""
    rows = "\n".join(f"   ~{name}" for name in names)
    return f".. autosummary::\n   :toctree: .\n   :nosignatures:\n\n{rows}"
