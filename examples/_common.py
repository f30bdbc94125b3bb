"""What the examples share: their options, and their pictures of a trained model."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import numpy_diffusion as nd
from numpy_diffusion import figures


def parser(description: str | None, steps: int, meaning: str) -> argparse.ArgumentParser:
    """--steps, --seed and --out, with an example's docstring as its help."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=steps, help=f"{meaning} (default {steps:,})")
    options.add_argument("--seed", type=int, default=0, help="of all that is random (default 0)")
    options.add_argument("--out", type=_folder, default="out", help="folder of the pictures (default out)")
    return options


def _folder(name: str) -> Path:
    """The folder, made where it is missing: that it cannot be written is said before training, not after."""
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=name).close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write to {name}: {error.strerror}") from error
    return Path(name)


def run(main: Callable[[], None]) -> None:
    """Run an example; what is wrong with its arguments takes one line, and what it prints appears at once."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in a log file too
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def save(figure: Figure, path: Path) -> None:
    """Write a figure, and say where it is."""
    figures.style.save(figure, path)
    print(path)


def pictures(training: nd.Run, x0: np.ndarray, image: Any, out: Path, name: str, seed: int) -> None:
    """Figs 3-5, the loss, and the reverse chain as a GIF and as a page with a slider over t."""
    model, schedule = training.model, training.schedule
    save(figures.forward_reverse(model, schedule, x0, image=image, seed=seed), out / f"{name}.png")
    save(figures.loss_curve(training.losses), out / f"{name}_loss.png")
    for suffix in ("gif", "html"):
        print(figures.animation(model, schedule, out / f"{name}.{suffix}", seed=seed))
