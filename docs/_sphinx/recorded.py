"""The gallery of examples: those of seconds are run when the site is built, the others show the picture they made.

Sphinx-Gallery draws the pages.  What it is told here: what to run and with which arguments, where a script's pictures
are, since the examples write files, and what stands for those of minutes or an hour.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDED = EXAMPLES / "gallery"
WRITTEN_TO = Path(__file__).parents[1] / "_build" / "gallery"
RUN = r"[\\/](forward_chain|schedules|check_your_sampler)\.py$"
ORDER = [  # from the article's first figure to its last chapter
    "nano", "forward_chain", "schedules", "spiral", "airplane_and_tank", "own_image", "bound", "density",
    "check_your_sampler", "which_schedule", "digits", "shapes32", "inpaint", "from_diffusers", "latent_scenes",
    "pixel_or_latent", "dalle2", "dalle2_tricks",
]  # fmt: skip
THUMBNAIL = (400, 280)  # Sphinx-Gallery's


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", thumbnails, priority=900)  # after Sphinx-Gallery
    app.connect("source-read", finished)
    return {"version": "1", "parallel_read_safe": True}


def in_order(name: str) -> tuple[int, str]:
    """A key that sorts examples; one that is not in ORDER comes last."""
    stem = Path(name).stem
    return (ORDER.index(stem) if stem in ORDER else len(ORDER), stem)


def arguments(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Pictures go to a folder that is empty when the script starts."""
    shutil.rmtree(WRITTEN_TO, ignore_errors=True)
    return ["--out", os.path.relpath(WRITTEN_TO, EXAMPLES)]  # from where Sphinx-Gallery runs them


def written(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """What a script's block has written to that folder: a scraper of Sphinx-Gallery."""
    from sphinx_gallery.scrapers import figure_rst

    made = []
    for picture, target in zip(sorted(WRITTEN_TO.glob("*.png")), block_vars["image_path_iterator"], strict=False):
        shutil.move(picture, target)
        made.append(target)
    return str(figure_rst(made, gallery_conf["src_dir"]))


def pictures(stem: str) -> list[Path]:
    """The recorded pictures of an example."""
    return [RECORDED / name for name in kept_pictures().get(stem, [])]


@functools.cache
def kept_pictures() -> dict[str, list[str]]:
    """PICTURES of examples/_gallery.py, which makes them; read and not imported, as it imports much."""
    for node in ast.parse((EXAMPLES / "_gallery.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PICTURES":
            found: dict[str, list[str]] = ast.literal_eval(node.value)
            return found
    raise ValueError("examples/_gallery.py: expected PICTURES, found none")


def thumbnails(app: Sphinx) -> None:
    """The recorded pictures in small, for the examples that were not run."""
    folder = Path(app.srcdir, "auto_examples", "images", "thumb")
    for example in EXAMPLES.glob("[a-z]*.py"):
        if not re.search(RUN, str(example)) and (found := pictures(example.stem)) and folder.exists():
            with Image.open(found[0]) as picture:
                small = picture.convert("RGB")
                small.thumbnail(THUMBNAIL)
                page = Image.new("RGB", THUMBNAIL, "white")
                page.paste(small, ((THUMBNAIL[0] - small.width) // 2, (THUMBNAIL[1] - small.height) // 2))
                page.save(folder / f"sphx_glr_{example.stem}_thumb.png")


def finished(app: Sphinx, document: str, source: list[str]) -> None:
    """An example's page gets its title, and its recorded pictures where it was not run."""
    folder, _, stem = document.rpartition("/")
    if folder != "auto_examples" or not (EXAMPLES / f"{stem}.py").exists():
        return
    label = f".. _sphx_glr_auto_examples_{stem}.py:"
    before, _, after = source[0].partition(label)
    title = re.split(r"(?<=[?])\s|:\s| \(|(?<!al)\.(?:\s|$)", after.lstrip(), maxsplit=1)[0].replace("\n", " ")
    shown = "" if re.search(RUN, f"/{stem}.py") else _recorded(stem)
    text, _, code = after.partition(".. GENERATED FROM PYTHON SOURCE LINES")
    rest = f".. GENERATED FROM PYTHON SOURCE LINES{code}" if code else ""
    source[0] = f"{before}{label}\n\n{title}\n{'=' * len(title)}\n{text}\n{shown}\n{rest}"


def _recorded(stem: str) -> str:
    """The note that an example was not run, and its recorded pictures."""
    note = f"Not run when the site is built: ``python examples/{stem}.py`` runs it."
    shown = "".join(
        f"\n.. image:: /../examples/gallery/{path.name}\n   :alt: {path.stem}\n" for path in pictures(stem)
    )
    return f"\n.. note::\n\n   {note}{'  What it drew:' if shown else ''}\n{shown}"
