"""The benchmark's contestants do the same work: its own checks, on small sizes, with every peer that is installed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LIBRARIES = {"peer_numpy": "numpy", "peer_torch": "torch", "peer_jax": "jax"}


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("works")


@pytest.fixture(params=LIBRARIES)
def peer(request: pytest.FixtureRequest, works: ModuleType) -> ModuleType:
    pytest.importorskip(LIBRARIES[request.param])
    module = importlib.import_module(request.param)
    module.NAMES = tuple(name for name in module.NAMES if "compiled" not in name)  # a minute of compilation
    return module


def test_a_peer_gives_the_same_answers(works: ModuleType, peer: ModuleType) -> None:
    works.q_sample([peer], 300, 20)
    works.chain([peer], 40, 1.0, method="ddim", steps=10).runs[peer.NAMES[0]]()
    works.train([peer], 48, 1.0).runs[peer.NAMES[0]]()


def test_a_wrong_answer_is_found(works: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = importlib.import_module("peer_numpy")
    monkeypatch.setattr(peer, "_silu", lambda g: g / (1.001 + __import__("numpy").exp(-g)))
    with pytest.raises(AssertionError):
        works.chain([peer], 40, 1.0, method="ddim", steps=10)


def test_the_report_has_a_row_a_work_and_a_chart(works: ModuleType, tmp_path: Path) -> None:
    report, timing = importlib.import_module("report"), importlib.import_module("timing")
    seconds = {"numpy_diffusion": 0.001, "NumPy": 0.004}
    row = {"title": "a work", "target": 2.0, "seconds": seconds, "first call": seconds, "share of peak": 0.5}
    report.print_row(row)
    report.write({"machine": timing.machine(), "works": [row]}, tmp_path)
    assert "| a work | 1 ms | 4 ms | **4.0 x** | 50% |" in (tmp_path / "benchmark.md").read_text()
    assert (tmp_path / "benchmark.png").stat().st_size > 5000
    assert sys.modules["report"].ratio(row) == pytest.approx(4.0)
