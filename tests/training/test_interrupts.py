"""What signals may not cut in two, and who of several processes is asked to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from checks.ranks import ThreadComm

from numpy_diffusion.models.shares import ALONE
from numpy_diffusion.training import ranks
from numpy_diffusion.training.interrupts import in_one_piece, stopping


@pytest.fixture(autouse=True)
def _ctrl_c_raises() -> Iterator[None]:
    """It is ignored in what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def two_ranks() -> ranks.OverMPI:
    return ranks.OverMPI(ThreadComm(0, [[None] * 2] * 2), 1.0)  # type: ignore[list-item]


def whole(action: Callable[[], object]) -> None:
    with in_one_piece():
        action()


def test_a_signal_waits_until_the_piece_is_whole() -> None:
    done: list[str] = []

    def ctrl_c(place: str) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append(place)

    with stopping(ALONE):
        with pytest.raises(KeyboardInterrupt):
            whole(lambda: ctrl_c("inside"))
        with pytest.raises(KeyboardInterrupt):
            ctrl_c("outside")
        whole(lambda: done.append("later"))  # nothing is left of the signals before
    assert done == ["inside", "later"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_all_signals_wait_and_come_although_one_raises(numbers: tuple[signal.Signals, ...]) -> None:
    came: list[int] = []

    def both() -> None:
        for number in numbers:
            signal.raise_signal(number)
        assert came == []

    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with stopping(ALONE), pytest.raises(KeyboardInterrupt):
            whole(both)
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def failing() -> None:
    signal.raise_signal(signal.SIGINT)
    raise ZeroDivisionError


def test_an_error_inside_is_told_and_the_signal_too() -> None:
    with stopping(ALONE):
        with pytest.raises(KeyboardInterrupt) as raised:
            whole(failing)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
        with pytest.raises(KeyboardInterrupt) as raised:
            signal.raise_signal(signal.SIGINT)
        assert raised.value.__cause__ is None


def test_of_several_processes_too_the_one_that_was_asked_tells_both() -> None:
    for size in (2, 1):
        with pytest.raises(KeyboardInterrupt) as raised, stopping(two_ranks() if size == 2 else ALONE):
            whole(failing)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError), stopping(two_ranks()):  # of which nobody was asked
        raise ZeroDivisionError


def test_a_handler_that_is_set_meanwhile_stays() -> None:
    def own(*_: object) -> None: ...

    with stopping(ALONE):
        signal.signal(signal.SIGINT, own)
    assert signal.getsignal(signal.SIGINT) is own


def test_a_piece_of_another_thread_holds_nothing_back() -> None:
    inside, over = threading.Event(), threading.Event()

    def job() -> None:
        with in_one_piece():
            inside.set()
            over.wait(10.0)

    thread = threading.Thread(target=job)
    with stopping(ALONE):
        thread.start()
        inside.wait(10.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        over.set()
        thread.join()


def test_a_signal_asks_several_processes_to_stop_and_its_handler_comes_back() -> None:
    with stopping(two_ranks()) as stop:
        assert not stop.asked
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 5.0
        while not stop.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stop.asked
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_thread_but_the_main_one_has_signals() -> None:
    found: list[bool] = []

    def job() -> None:
        with stopping(two_ranks()) as stop:
            found.append(stop.asked)

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_signal_that_comes_while_handlers_are_set_leaves_the_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = signal.getsignal(signal.SIGINT), signal.signal

    def interrupted(number: int, handler: Callable[..., object]) -> None:
        real(number, handler)
        if number == signal.SIGINT and handler is not before:
            raise KeyboardInterrupt

    monkeypatch.setattr(signal, "signal", interrupted)
    with pytest.raises(KeyboardInterrupt), stopping(ALONE):
        pytest.fail("it was stopped before")
    assert signal.getsignal(signal.SIGINT) is before
