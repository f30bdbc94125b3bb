"""Signals that ask to end act as Ctrl-C does, unless they are ignored, and the handlers of before come back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from numpy_diffusion.cli import commands
from numpy_diffusion.cli.signals import ENDING, INTERRUPTED, as_ctrl_c

NUMBERS = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def _standard() -> Iterator[None]:
    """A suite that was started in the background or under nohup ignores some of them."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_acts_as_ctrl_c_and_gives_its_status(number: int) -> None:
    with as_ctrl_c() as status:
        assert status.interrupted == INTERRUPTED == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # again, while the work is saved
    assert status.interrupted == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_what_is_ignored_or_handled_already_stays_so(handler: object) -> None:
    """SIGHUP under nohup; a program that calls `main` and has handlers of its own."""
    for number in NUMBERS:
        signal.signal(number, handler)  # type: ignore[arg-type]
    with as_ctrl_c():
        for number in NUMBERS:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is handler


def test_another_thread_sets_none() -> None:
    def inside() -> None:
        with as_ctrl_c():
            found.append(signal.getsignal(signal.SIGTERM))

    found: list[object] = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_a_command_ends_with_the_status_of_the_signal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is interrupted in the midst of something or has saved its work by then."""

    def saves(_: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            return INTERRUPTED
        raise AssertionError

    monkeypatch.setattr(commands, "_info", saves)
    assert commands.main(["info", "run"]) == 143
    monkeypatch.setattr(commands, "_info", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert commands.main(["info", "run"]) == 143
    assert capsys.readouterr().err == "numpy-diffusion: interrupted\n"
