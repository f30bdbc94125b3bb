"""What those who wait are told on standard error: one look for all bars, and a line where no bar can move."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from tqdm.auto import tqdm

DELAY: Final = 1.0  # seconds before a bar appears: what is done by then needs none
BRIEF: Final = 20.0  # seconds between two states of a bar that no terminal shows, as in a log file

Item = TypeVar("Item")


class _Tqdm(tqdm):
    """With locks of their own: where a stream fails or Ctrl-C comes while a bar is drawn, tqdm leaves the one lock of
    all bars taken, and who shows a bar from another thread waits for ever."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self._lock = threading.RLock()
        super().__init__(*given, **more)


_Tqdm.set_lock(threading.RLock())

_told: ContextVar[bool] = ContextVar("told", default=True)
_left_out = 0.0  # seconds that compilers have worked, which are no part of any rate


class Bar:
    """A bar of `total` steps, for a `with`; it appears after `DELAY`, and not at all where `show` is False.

    What compiling took in the meantime is no part of its rate.
    """

    def __init__(self, what: str, total: int, unit: str, *, show: bool, done: int = 0, delay: float = DELAY) -> None:
        self._show = show and _listens()
        self._left_out = _left_out
        seen = self._show and (getattr(sys.stderr, "isatty", bool)() or "ipykernel" in sys.modules)
        self._bar = _Tqdm(disable=True)
        with self._as_long_as_it_can():
            self._bar = _Tqdm(
                total=total,
                initial=done,
                desc=what,
                unit=f" {unit}",
                delay=delay,
                mininterval=0.1 if seen else BRIEF,
                disable=not self._show,
            )

    def to(self, step: int, **said: str) -> None:
        """Move to so many steps done, with a few words behind."""
        if not self._show:
            return
        waited, self._left_out = _left_out - self._left_out, _left_out
        if waited:
            self._bar.start_t += waited
            self._bar.last_print_t += waited
        if said:
            self._bar.set_postfix(refresh=False, **said)
        with self._as_long_as_it_can():
            self._bar.update(step - self._bar.n)

    def advance(self, steps: int = 1) -> None:
        """Move so many steps on."""
        if self._show:
            self.to(self._bar.n + steps)

    def __enter__(self) -> Self:
        self._token = _told.set(self._show)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _told.reset(self._token)
        if not self._show:
            return
        if time.time() - self._bar.start_t > self._bar.delay:
            self._bar.delay = 0.0  # else what was never due, as in a log file, would not be shown at the end either
        with self._as_long_as_it_can():
            self._bar.close()

    @contextmanager
    def _as_long_as_it_can(self) -> Iterator[None]:
        """A bar is not worth the work: where nobody reads standard error any more, it is hidden."""
        try:
            yield
        except (OSError, ValueError, AttributeError):  # of what is gone; was closed; can be written, but not flushed
            self._show = False


def counted(items: Iterable[Item], what: str, total: int, unit: str, *, show: bool) -> Iterator[Item]:
    """The items as they come, under a bar that moves on with each."""
    with Bar(what, total, unit, show=show) as bar:
        for item in items:
            yield item
            bar.advance()


def say(sentence: str) -> None:
    """A line on standard error for who waits; not where a bar is hidden, or where there is no standard error."""
    if _told.get() and _listens():
        with suppress(OSError):
            print(sentence, file=sys.stderr)


def _listens() -> bool:
    """Whether there is a standard error; pythonw and `2>&-` have none."""
    return sys.stderr is not None and not getattr(sys.stderr, "closed", False)


def leave_out(seconds: float) -> None:
    """Take so many seconds off the clocks of the bars."""
    global _left_out
    _left_out += seconds
