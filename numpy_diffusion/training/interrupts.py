"""Signals that end a training: who is asked to stop, and what no signal may cut in two.

Ctrl-C raises a KeyboardInterrupt between any two lines of Python, and so may SIGTERM, as docs/troubles.md has it.  A
step moves several arrays and a number; to stop between them would leave a state of no step.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Final

from numpy_diffusion.models.shares import Ranks


class Stop:
    """Whether this process has been asked to end."""

    asked = False


NEVER: Final = Stop()


class _Piece:
    """Whether the main thread is inside `in_one_piece`, and the signals that came meanwhile."""

    begun: ClassVar[bool] = False
    waiting: ClassVar[list[Callable[[], object]]] = []


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Inside the `with` the handlers of signals wait, until all of it is done; where `stopping` has seen to it.

    Where it fails, what a handler raises has that for its cause: both are told.
    """
    if threading.current_thread() is not threading.main_thread():  # the others are sent none
        yield
        return
    _Piece.waiting.clear()
    _Piece.begun, failure = True, None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        _Piece.begun = False
        _deliver(failure)


def _deliver(failure: BaseException | None) -> None:
    """Call the handlers that wait; where one raises, all others have been called as well."""
    try:
        while _Piece.waiting:
            _Piece.waiting.pop(0)()
    except BaseException as asked:
        if failure is not None:
            raise asked from failure
        raise
    finally:
        if _Piece.waiting:
            _deliver(failure)


@contextmanager
def stopping(ranks: Ranks) -> Iterator[Stop]:
    """Inside the `with` no signal cuts what is done `in_one_piece`.

    Of several processes what would raise a KeyboardInterrupt in one asks it to stop, and no more: the others would
    wait in vain for one that leaves the middle of a step.  Where that step fails on all, the one that was asked
    raises the KeyboardInterrupt after all, with the failure for its cause.
    """
    stop = Stop()
    before: dict[int, Any] = {}

    def ask(number: int, frame: Any) -> None:
        try:
            before[number](number, frame)
        except KeyboardInterrupt:
            if ranks.size == 1:
                raise
            stop.asked = True

    def arrive(number: int, frame: Any) -> None:
        if _Piece.begun:
            _Piece.waiting.append(partial(ask, number, frame))
        else:
            ask(number, frame)

    try:
        if threading.current_thread() is threading.main_thread():
            for number in signal.valid_signals():
                if callable(handler := signal.getsignal(number)):
                    before[number] = handler
                    signal.signal(number, arrive)
        yield stop
    except Exception as failure:
        if stop.asked:
            raise KeyboardInterrupt from failure
        raise
    finally:
        for known, handler in before.items():
            if signal.getsignal(known) is arrive:  # and not one that was set meanwhile
                signal.signal(known, handler)
