"""Bars of progress that appear at once, so that what is quick shows them too."""

from __future__ import annotations

import pytest

from numpy_diffusion._progress import Bar


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bar.__init__, "__kwdefaults__", (Bar.__init__.__kwdefaults__ or {}) | {"delay": 0.0})
