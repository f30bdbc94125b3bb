"""The pictures of examples/gallery, each with a record of what made it, so that none can be out of date unnoticed.

    python examples/_gallery.py spiral digits        (or without names: all of them)

Runs each example as a reader would, keeps its pictures, and writes down beside them what it printed, how long it
took, a digest of the code that draws, and the numbers that a short run of the same example prints.  The tests run the
short one too: where training, sampling, a default or the code that draws has changed, they ask for this command.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import hashlib
import importlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import _dalle2
import _dalle2_quality
import _drawing_quality
import _latents
import _scene_quality
import _schedule_study
import pixel_or_latent

import numpy_diffusion as nd

EXAMPLES = Path(__file__).parent
GALLERY = EXAMPLES / "gallery"
FIGURES = EXAMPLES.parent / "numpy_diffusion" / "figures"

PICTURES = {  # by example
    "spiral": ["spiral.png", "spiral.gif"],
    "airplane_and_tank": ["airplane.png", "tank.png"],
    "digits": ["digits.png"],
    "check_your_sampler": ["check_your_sampler.png"],
    "which_schedule": ["which_schedule.png"],
    "latent_scenes": ["latent_scenes.png"],
    "pixel_or_latent": ["pixel_or_latent.png"],
    "dalle2": ["dalle2.png", "dalle2_clip.png", "dalle2_prior.png", "dalle2_stages.png"],
    "dalle2_tricks": ["dalle2_variations.png", "dalle2_interpolation.png", "dalle2_difference.png"],
}
RUN = "runs/dalle2"  # where training goes on if it was interrupted, and where dalle2_tricks finds what it needs
MORE = {"dalle2": ["--run", RUN], "dalle2_tricks": [f"{RUN}/pipeline"]}  # arguments of an example
_FEW = ["--autoencoder-steps", "2", "--scenes", "40", "--length", "10", "--samples", "12"]
SHORT = {  # what makes an example short
    "spiral": ["--steps", "20", "--seed", "3"],
    "airplane_and_tank": ["--steps", "20", "--seed", "3"],
    "digits": ["--steps", "2", "--length", "5", "--samples", "20"],
    "check_your_sampler": ["--steps", "20", "--seed", "3"],
    "latent_scenes": ["--steps", "2", *_FEW],
    "pixel_or_latent": ["--steps", "3", *_FEW],
    "dalle2": ["--steps", "2", "--scenes", "40", "--samples", "12"],
    "dalle2_tricks": ["--steps", "3", "--samples", "12"],
}
SMALL = {  # what is smaller then, by module
    _drawing_quality: {"POINTS": 2000, "PAIRS": 200, "DATA": 400, "DETAIL": 20_000},
    _latents: {"SIZE": 32, "CHANNELS": (8, 16), "WIDTH": 8, "HELD_OUT": 4},
    _scene_quality: {"SCENES": 600},
    _dalle2: {
        "SIZES": (8, 16, 32),
        "WIDTH": 8,
        "CHANNELS": (16, 16),
        "UPSAMPLER_CHANNELS": (8, 8),
        "DECODER_CHAIN": 3,
    },
    _dalle2_quality: {"POOL": 400, "CHOICES": 10},
    pixel_or_latent: {"PIXEL_CHANNELS": (8, 8, 8), "SEEDS": 1, "CHAIN": 3},
}
CLOSE = 0.02  # relative: other registers round the last bits otherwise, other code gives other numbers
NEAR_ZERO = 0.002


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(PICTURES)} (default: all)")
    names = parser.parse_args().names or list(PICTURES)
    if unknown := sorted(set(names) - set(PICTURES)):
        parser.error(f"expected examples of {', '.join(PICTURES)}, got {', '.join(unknown)}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            printed = ran(name, ["--out", folder, *MORE.get(name, [])])
            keep(name, Path(folder), printed, time.monotonic() - begun)


def keep(name: str, folder: Path, printed: str, seconds: float) -> None:
    """Take an example's pictures from the folder to which it wrote them, and write its record."""
    for picture in PICTURES[name]:
        shutil.copy(folder / picture, GALLERY / picture)
    lines = [line for line in printed.splitlines() if line and str(folder) not in line]
    found = {"seconds": round(seconds), "code": code(name), "short": short(name), "printed": lines}
    record_of(name).write_text(json.dumps(found, indent=1) + "\n")
    print(record_of(name))


def record_of(name: str) -> Path:
    return GALLERY / f"{name}.json"


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record_of(name).read_text())
    return found


def ran(name: str, arguments: list[str]) -> str:
    """What the example prints."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def short(name: str) -> list[float]:
    """The numbers of a short run; of a study, those that are not times, and where every run is long, of one training
    alone."""
    if name == "which_schedule":
        row = _schedule_study.measured(_schedule_study.Case(0, 10, "tank", "cosine", 0, 20))
        return [float(row[measure]) for measure in ("accuracy", "energy", "bound")]
    with tempfile.TemporaryDirectory() as folder:
        if name == "dalle2_tricks":
            ran_short("dalle2", Path(folder), "--run", f"{folder}/run")
        printed = ran_short(name, Path(folder), *([f"{folder}/run/pipeline"] if name == "dalle2_tricks" else []))
        if name == "pixel_or_latent":
            return [row.distance for row in pixel_or_latent.stored(Path(folder, "pixel_or_latent.csv"))]
        return numbers(printed)


def ran_short(name: str, folder: Path, *more: str) -> str:
    """What a short run prints, in this process; one of points has a short chain, shown in few frames."""
    sigmoid, arguments = nd.Schedule.sigmoid, [f"{name}.py", "--out", str(folder), *SHORT[name], *more]
    with (
        small(),
        mock.patch.object(nd.Schedule, "sigmoid", lambda T: sigmoid(T // 20)),
        mock.patch.object(nd.figures, "animation", functools.partial(nd.figures.animation, frames=8)),
        mock.patch.object(sys, "argv", arguments),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        importlib.import_module(name).main()
    return printed.getvalue()


@contextlib.contextmanager
def small() -> Iterator[None]:
    """Within it, what the examples share is as SMALL says."""
    with contextlib.ExitStack() as stack:
        for module, values in SMALL.items():
            stack.enter_context(mock.patch.multiple(module, **values))
        yield


def numbers(printed: str) -> list[float]:
    """The numbers in what an example prints; paths are left out, and rows of shares, which one sample more or less
    changes by much in a short run."""
    lines = [line for line in printed.splitlines() if "/" not in line and line.count("%") < 2]
    return [float(number) for line in lines for number in re.findall(r"(?<![\w.])-?\d+\.\d+(?:e-?\d+)?", line)]


def differ(found: list[float], kept: list[float]) -> list[tuple[float, float]]:
    """The pairs of numbers, now and when the picture was made, that are not the same but for rounding."""
    pairs = zip(found, kept, strict=True)
    return [(a, b) for a, b in pairs if abs(a - b) > max(CLOSE * abs(b), NEAR_ZERO)]


def code(name: str) -> str:
    """A digest of the example, the files beside it that it imports, and the figures' code; comments do not count."""
    files, new = set(FIGURES.glob("*.py")), {EXAMPLES / f"{name}.py"}
    while new:
        files |= new
        imported = {EXAMPLES / f"{module}.py" for path in new for module in _imports(path)}
        new = {path for path in imported if path.is_file()} - files
    texts = [_told(_without_docstrings(ast.parse(path.read_text()))) for path in sorted(files)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree


def _told(node: Any) -> str:
    """The code as text, the same in every Python: `ast.dump` shows empty fields in some, and new ones are empty."""
    if isinstance(node, list):
        return f"[{', '.join(map(_told, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [f"{name}={_told(value)}" for name, value in ast.iter_fields(node) if value is not None and value != []]
    return f"{type(node).__name__}({', '.join(fields)})"


if __name__ == "__main__":
    main()
