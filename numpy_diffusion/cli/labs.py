"""`numpy-diffusion check`: the functions in a student's file, beside the right ones."""

from __future__ import annotations

import runpy
import traceback
from pathlib import Path
from typing import Any, Final

from numpy_diffusion.cli.streams import tell
from numpy_diffusion.evaluation.labs import LABS, check_lab

NAMES: Final = tuple(f"lab{number}" for number in LABS)


def check(options: dict[str, Any]) -> int:
    """Run the file, check what it defines, print the tables; 0 where all is right, else 1."""
    report = check_lab(1 + NAMES.index(options["lab"]), defined(options["file"]))
    tell(report)
    return 0 if report.right else 1


def defined(file: str) -> dict[str, Any]:
    """What the file's names stand for once it has run.

    Raises
    ------
    OSError : a file that cannot be read
    ValueError : an error in it, with its line
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f"file: expected a Python file, got {file}, which is none")
    try:
        return runpy.run_path(file, run_name="lab")
    except SyntaxError as error:
        raise ValueError(f"{file}, line {error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:  # whatever the student's file does
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        at = f", line {lines[-1]}" if lines else ""
        raise ValueError(f"{file}{at}: {type(error).__name__}: {error}") from None
