"""Bars of progress that appear at once, so that what is quick shows them too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from numpy_diffusion._progress import Bar


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bar.__init__, "__kwdefaults__", (Bar.__init__.__kwdefaults__ or {}) | {"delay": 0.0})


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, slow: Callable[..., object]) -> str:
    """What is on standard error when `slow()` shows its bar at once, as it does unless told not to."""
    at_once(monkeypatch)
    slow(progress=False)
    assert capsys.readouterr().err == ""
    slow()
    return capsys.readouterr().err
