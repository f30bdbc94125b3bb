"""Who waits for the compiler is told once a family of kernels, and its time is left out of the bars'."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from numpy_diffusion import _progress
from numpy_diffusion.kernels import _compiling


def event(module: str) -> SimpleNamespace:
    """What Numba's compiler says of a kernel of this module."""
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


@pytest.fixture
def left_out(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of whole seconds, one a look; and the seconds that bars are told to leave out."""
    now, seconds = iter(range(1000)), []
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(now)))
    monkeypatch.setattr(_progress, "leave_out", seconds.append)
    return seconds


def test_a_family_is_announced_once_and_the_outermost_compilation_counts(
    capsys: pytest.CaptureFixture[str], left_out: list[float]
) -> None:
    listener = _compiling._Listener()
    for module in ("mlp.train", "mlp.forward", "unet.run", "random"):
        listener.on_start(event(f"numpy_diffusion.kernels.{module}"))
        listener.on_start(event("numpy_diffusion.kernels.elementary"))
        listener.on_end(event("numpy_diffusion.kernels.elementary"))
        listener.on_end(event(f"numpy_diffusion.kernels.{module}"))
    said = [
        f"compiling kernels, once for this machine (about {_compiling.ABOUT[name]} s)" for name in ("mlp", "unet")
    ]
    assert capsys.readouterr().err.splitlines() == said
    assert left_out == [1.0] * 4


def test_a_function_of_another_package_is_compiled_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    listener = _compiling._Listener()
    listener.on_start(event("somebody.elses.mlp"))
    listener.on_end(event("somebody.elses.mlp"))
    assert capsys.readouterr().err == ""
