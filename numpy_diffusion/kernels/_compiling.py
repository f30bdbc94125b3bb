"""Who waits for the compiler is told, once for each family of kernels, and bars of progress do not count it.

Numba announces each compilation: of a kernel that is called, and inside it of all that it calls.
"""

from __future__ import annotations

import time
from typing import Any, Final

from numba.core import event

from numpy_diffusion import _progress

ABOUT: Final = {"mlp": 8, "unet": 16}  # seconds that all kernels of a family take, on a core of 2024


class _Listener(event.Listener):
    """The seconds of the outermost compilations, and a line when the first of a family begins."""

    def __init__(self) -> None:
        self.depth, self.began = 0, 0.0
        self.announced: set[str] = set()

    def on_start(self, event: event.Event) -> None:
        if self.depth == 0:
            self.began = time.perf_counter()
            self._announce(_family(event.data))
        self.depth += 1

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1
        if self.depth == 0:
            _progress.leave_out(time.perf_counter() - self.began)

    def _announce(self, family: str) -> None:
        if family in ABOUT and family not in self.announced:
            self.announced.add(family)
            _progress.say(f"compiling kernels, once for this machine (about {ABOUT[family]} s)")


def _family(data: Any) -> str:
    """`mlp` of a kernel in kernels/mlp/."""
    return data["dispatcher"].py_func.__module__.removeprefix("numpy_diffusion.kernels.").split(".")[0]


event.register("numba:compile", _Listener())
