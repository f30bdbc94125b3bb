"""Links to the repository's files lead to pages of the site: each file with its lines, each folder with its files.

A page of Markdown links to `../numpy_diffusion/noise.py` as it does in the repository; Sphinx would offer the file
for download, and know no folder at all.
"""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import display

ROOT = Path(__file__).parents[2]
FOLDER = "code"  # of these pages in the site
LEXERS = {
    ".py": "python",
    ".cfg": "ini",
    ".toml": "toml",
    ".md": "markdown",
    ".json": "json",
    ".js": "javascript",
    ".cff": "yaml",
}
SKIPPED = {"__pycache__", "_build", "auto_examples", "generated"}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", lead_here, priority=100)  # before Sphinx collects what is to be downloaded
    app.connect("env-purge-doc", forget)
    app.connect("html-collect-pages", pages)
    return {"version": "1", "env_version": 1, "parallel_read_safe": False}


def of_object(module: str, name: str) -> str | None:
    """The page and line of a public object, seen from a page one folder deep; None where it is no code of ours."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    found = inspect.unwrap(found.fget if isinstance(found, property) else found) if found is not None else None
    try:
        path = Path(inspect.getsourcefile(found) or "").resolve()
        line = inspect.getsourcelines(found)[1]
    except (TypeError, OSError):
        return None
    return f"../{page_of(path)}.html#L-{line}" if path.is_relative_to(ROOT) else None


def page_of(path: Path) -> str:
    """The name of a file's or folder's page."""
    parts = [FOLDER, *path.resolve().relative_to(ROOT).parts]
    return "/".join([*parts, "index"] if path.is_dir() else parts)


def lead_here(app: Sphinx, doctree: nodes.document) -> None:
    """Links to files and folders beside the site's own pages become links to their pages here."""
    document = app.env.current_document.docname
    if document.startswith("auto_examples/"):
        return  # whose downloads are meant
    here = Path(app.env.doc2path(document)).parent
    if here.name == "course":
        here = ROOT / "examples" / "course"  # of which this is a copy
    found = linked(app).setdefault(document, set())
    for link in list(doctree.findall(_is_link)):
        target = link["reftarget"].split("#")[0]
        path = (here / target).resolve() if target else here
        if not target or "://" in target or not path.is_relative_to(ROOT) or not (path.is_dir() or _is_text(path)):
            continue  # a picture is offered for download
        found.add(path)
        up = "../" * document.count("/")
        replaced = nodes.reference("", "", internal=True, refuri=f"{up}{page_of(path)}.html")
        replaced += link.children
        link.replace_self(replaced)


def _is_link(node: nodes.Node) -> bool:
    if isinstance(node, addnodes.download_reference):
        return True
    return isinstance(node, addnodes.pending_xref) and node.get("reftype") == "myst"


def linked(app: Sphinx) -> dict[str, set[Path]]:
    """What each document links to; kept with Sphinx's environment from one build to the next."""
    if not hasattr(app.env, "source_links"):
        app.env.source_links = {}  # type: ignore[attr-defined]
    found: dict[str, set[Path]] = app.env.source_links
    return found


def forget(app: Sphinx, env: Any, document: str) -> None:
    linked(app).pop(document, None)


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each file that is linked to, for the package, and for each folder above one of them."""
    files = {path for paths in linked(app).values() for path in paths} | {ROOT / "numpy_diffusion"}
    files |= {file for folder in files if folder.is_dir() for file in _below(folder)}
    files = {path for path in files if path.is_dir() or _is_text(path)}
    folders = {parent for path in files for parent in path.parents if parent.is_relative_to(ROOT)}
    folders |= {path for path in files if path.is_dir()}
    for path in display.status_iterator(sorted(files - folders), "source pages... ", "blue", len(files)):
        if not _is_new(app, path):
            yield page_of(path), {"title": path.name, "body": _file(app, path), "parents": []}, "page.html"
    for path in sorted(folders):
        yield (
            page_of(path),
            {"title": path.name, "body": _folder(app, path, files | folders), "parents": []},
            "page.html",
        )


def _below(folder: Path) -> Iterator[Path]:
    for place, names, found in os.walk(folder):
        names[:] = [name for name in names if name not in SKIPPED and not name.startswith(".")]
        yield from (Path(place, name) for name in (*names, *found))


def _is_text(path: Path) -> bool:
    return path.is_file() and (path.suffix in LEXERS or path.name in ("run", "machines", "Makefile", "LICENSE"))


def _is_new(app: Sphinx, path: Path) -> bool:
    made = Path(app.outdir, f"{page_of(path)}.html")
    return made.exists() and made.stat().st_mtime > path.stat().st_mtime


def _place(app: Sphinx, path: Path) -> str:
    """numpy_diffusion / process / forward.py, with a link to each folder."""
    above = [*reversed([folder for folder in path.parents if folder.is_relative_to(ROOT)]), path]
    parts = [
        f'<a href="{app.builder.get_relative_uri(page_of(path), page_of(one))}">{html.escape(one.name)}</a>'
        for one in above[1:-1]
    ]
    return " / ".join([*parts, html.escape(path.name)])


def _file(app: Sphinx, path: Path) -> str:
    shown = app.builder.highlighter.highlight_block(  # type: ignore[attr-defined]
        path.read_text(), LEXERS.get(path.suffix, "bash"), linenos="inline", lineanchors="L"
    )
    return f'<h1 class="source-place">{_place(app, path)}</h1>\n{shown}'


def _folder(app: Sphinx, path: Path, known: set[Path]) -> str:
    """A folder's page: what its `__init__` says of it, and its folders and files with the first line of each."""
    there = sorted((one for one in known if one.parent == path), key=lambda one: (one.is_file(), one.name))
    rows = [
        f'<tr><td><a href="{app.builder.get_relative_uri(page_of(path), page_of(one))}">'
        f"<code>{html.escape(one.name)}{'/' * one.is_dir()}</code></a></td><td>{html.escape(_summary(one))}</td></tr>"
        for one in there
    ]
    name = _place(app, path) if path != ROOT else "the repository"
    return (
        f'<h1 class="source-place">{name}</h1><p>{html.escape(_summary(path))}</p>'
        f'<div class="pst-scrollable-table-container"><table class="table">{"".join(rows)}</table></div>'
    )


def _summary(path: Path) -> str:
    """The first paragraph of a module's docstring, of a folder's its `__init__`'s."""
    module = path / "__init__.py" if path.is_dir() else path
    if module.suffix != ".py" or not module.exists():
        return ""
    return " ".join((ast.get_docstring(ast.parse(module.read_text())) or "").split("\n\n")[0].split())
