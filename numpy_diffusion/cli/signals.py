"""Signals that ask a command to end: each acts as Ctrl-C does, so that a training keeps what it has done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

# What Slurm and `docker stop` send; a terminal that is closed; a limit of processor time; Ctrl-Break on Windows
ENDING: Final = ("SIGTERM", "SIGHUP", "SIGXCPU", "SIGBREAK")
INTERRUPTED: Final[int] = 128 + signal.SIGINT


class Status:
    """The exit status of what a signal has ended: 128 and its number, that of Ctrl-C unless another came."""

    interrupted = INTERRUPTED

    def interrupt(self, number: int, _: Any) -> None:
        """The first is enough: another, as two of a terminal that is closed, would come while the work is saved."""
        if self.interrupted == INTERRUPTED:
            self.interrupted = 128 + number
            raise KeyboardInterrupt


@contextmanager
def as_ctrl_c() -> Iterator[Status]:
    """Inside the `with` these signals raise KeyboardInterrupt, unless they are ignored, as SIGHUP is under nohup."""
    status, before = Status(), {}
    if threading.current_thread() is threading.main_thread():  # the others are sent none
        for number in (getattr(signal, name) for name in ENDING if hasattr(signal, name)):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, status.interrupt)
    try:
        yield status
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
