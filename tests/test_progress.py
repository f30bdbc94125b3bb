"""What those who wait are told: bars that appear in time, keep quiet when asked to, and do not count the compiler."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import tqdm.std

from numpy_diffusion import _progress
from numpy_diffusion._progress import Bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that bars see: [seconds]."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])
    return now


def last(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().split("\r")[-1].strip()


def test_a_bar_says_what_how_many_and_how_fast(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Bar("training", 200, "steps", show=True) as bar:
        clock[0] += 2.0
        bar.to(50, loss="0.25")
        clock[0] += 2.0
        bar.to(200, loss="0.20")
    assert last(capsys).startswith("training: 100%")
    with Bar("training", 200, "steps", show=True, done=100) as bar:
        clock[0] += 4.0
        bar.to(200, loss="0.20")
    said = last(capsys)
    assert "200/200" in said
    assert "25.00 steps/s, loss=0.20" in said


def test_what_is_done_within_a_second_shows_none(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Bar("sampling", 10, "evaluations", show=True) as bar:
        clock[0] += 0.9
        bar.to(10)
    assert capsys.readouterr().err == ""


def test_a_hidden_bar_hides_what_is_said_inside_it(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Bar("sampling", 10, "evaluations", show=False) as bar:
        clock[0] += 5.0
        bar.to(10)
        _progress.say("compiling")
    assert capsys.readouterr().err == ""
    _progress.say("compiling")
    assert capsys.readouterr().err == "compiling\n"


def test_compiling_is_no_part_of_the_rate(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Bar("training", 100, "steps", show=True) as bar:
        clock[0] += 30.0
        _progress.leave_out(30.0)
        bar.to(1)
        clock[0] += 4.0
        bar.to(100)
    assert "[00:04<00:00, 25.00 steps/s]" in last(capsys)


def test_a_log_file_gets_few_states(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Bar("training", 1000, "steps", show=True) as bar:
        for step in range(1, 1001):
            clock[0] += 0.05  # 50 s in all
            bar.to(step)
    assert len(capsys.readouterr().err.strip("\r\n").split("\r")) <= 4


def test_no_standard_error_is_no_hindrance(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with Bar("training", 100, "steps", show=True) as bar:
        clock[0] += 5.0
        bar.to(100)
        _progress.say("compiling")
    assert capsys.readouterr().out == ""  # where print sends what has no file


class Line:
    """What some programs put in place of standard error: it can be written to, and nothing more."""

    def write(self, text: str) -> int:
        return len(text)


def terminal_that_is_gone() -> Any:
    stream = io.StringIO()
    stream.write = stream.flush = gone  # type: ignore[method-assign, assignment]
    return stream


def gone(*_: Any) -> int:
    raise OSError(5, os.strerror(5))


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def pipe_without_reader() -> io.TextIOBase:
    reader, writer = os.pipe()
    os.close(reader)
    return io.TextIOWrapper(io.FileIO(writer, "w"), line_buffering=True)


@pytest.mark.parametrize("delay", [0.0, 1.0])
@pytest.mark.parametrize("stream", [terminal_that_is_gone, closed, pipe_without_reader, Line])
def test_what_listens_no_more_is_no_hindrance(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], stream: Callable[[], Any], delay: float
) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    with Bar("training", 100, "steps", show=True, delay=delay) as bar:
        for step in range(101):
            clock[0] += 25.0
            bar.to(step, loss="0.25")
        _progress.say("compiling")


@pytest.mark.parametrize("kind", [tqdm.std.tqdm, _progress._Tqdm])
def test_a_lock_that_another_bar_left_taken_stops_none(kind: type) -> None:
    """As tqdm does where a stream fails or Ctrl-C comes while a bar is drawn."""
    taken, done = threading.Event(), threading.Event()

    def leave() -> None:
        other = kind(file=io.StringIO())
        other._lock.acquire()
        taken.set()
        done.wait()
        other._lock.release()

    def show() -> None:
        with Bar("sampling", 2, "steps", show=True) as bar:
            bar.to(2)

    leaving, showing = (threading.Thread(target=target, daemon=True) for target in (leave, show))
    leaving.start()
    taken.wait()
    showing.start()
    showing.join(10.0)
    stopped = showing.is_alive()
    done.set()
    assert not stopped
