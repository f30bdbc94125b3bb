"""What the command prints: none of it is worth the work of a run, whatever listens, or does not."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Final

PROGRAM: Final = "numpy-diffusion"


def set_up() -> None:
    """Each line appears when it is printed, in a log file too, and a name that the terminal's encoding lacks letters
    for with `\\xe4` and the like in their place."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")


def tell(line: object) -> None:
    """A line of the result; a reader who has seen enough, as `head` has, is no error."""
    try:
        print(line)
    except BrokenPipeError:
        to_nowhere()


def to_nowhere() -> None:
    """Send what else is printed to nobody: a pipe whose reader has gone would refuse it, at the very end too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(message: str) -> None:
    """A line for who watches, on standard error, which may be missing or closed."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)


def say_interrupted(asked: KeyboardInterrupt) -> None:
    """That it was, and what failed while it waited."""
    if asked.__cause__ is not None:
        say(f"error: {asked.__cause__}")
    say("interrupted")
