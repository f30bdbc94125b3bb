"""What mpiexec or srun has started together: how it is known, and how the cores are shared."""

from __future__ import annotations

import builtins
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest
from checks.ranks import ThreadComm

from numpy_diffusion.cli import launched

ALONE = ThreadComm(0, [[]])  # of one rank


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*launched.TOLD, *launched.SIZES, launched.TASKS, "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def with_mpi(monkeypatch: pytest.MonkeyPatch, comm: Any) -> None:
    found = SimpleNamespace(COMM_WORLD=comm, COMM_TYPE_SHARED=2)
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=found))


def pair(rank: int = 0) -> ThreadComm:
    return ThreadComm(rank, [[], []])


def test_a_process_started_alone_asks_for_no_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert launched.communicator() is None
    assert launched.on_ranks(lambda comm: 7 if comm is None else 0) == 7


@pytest.mark.parametrize("name", [*launched.TOLD, launched.TASKS])
def test_a_launcher_is_known_by_what_it_tells(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    with_mpi(monkeypatch, both := pair())
    assert launched.communicator() is both


def test_one_process_of_mpiexec_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    with_mpi(monkeypatch, ALONE)
    assert launched.communicator() is None


def test_processes_that_mpi_does_not_know_of_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would train for itself, and into the same folder."""
    monkeypatch.setenv(launched.TASKS, "4")
    with_mpi(monkeypatch, ALONE)
    with pytest.raises(ValueError, match=r"^srun: expected 4 processes that MPI knows of, got 1: see"):
        launched.communicator()


@pytest.mark.parametrize("size", [*launched.SIZES, launched.TASKS])
def test_one_process_needs_no_mpi4py_where_the_launcher_says_that_it_is_one(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv(size, "1")
    assert launched.communicator() is None


def test_ranks_of_a_launcher_in_a_step_of_one_task_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where mpiexec starts its own helpers by srun."""
    for name, value in (("PMI_RANK", "0"), ("PMI_SIZE", "2"), (launched.TASKS, "1")):
        monkeypatch.setenv(name, value)
    with_mpi(monkeypatch, both := pair())
    assert launched.communicator() is both


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"^several processes need mpi4py: pip install 'numpy_diffusion\[mpi\]' \("):
        launched.communicator()


def test_an_mpi4py_that_finds_no_mpi_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says so by a RuntimeError."""
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("")
    (tmp_path / "mpi4py" / "MPI.py").write_text("raise RuntimeError('cannot load MPI library')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mpi4py"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PMI_RANK", "0")
    with pytest.raises(ImportError, match=r"^several processes need mpi4py: .* \(cannot load MPI library\)"):
        launched.communicator()
    del sys.modules["mpi4py"]


def test_nobody_imports_mpi4py_without_need() -> None:
    assert "mpi4py" not in vars(launched).keys() | vars(builtins).keys()


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_alone_speaks_of_an_error_that_all_share(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(comm: Any) -> int:
        raise ValueError("seed: expected 0")

    monkeypatch.setattr(launched, "communicator", lambda: pair(rank))
    monkeypatch.setattr(launched, "share_cores", lambda comm: None)
    if rank:
        assert launched.on_ranks(fails) == 2
    else:
        with pytest.raises(ValueError, match=r"^seed: expected 0$"):
            launched.on_ranks(fails)


def test_each_speaks_of_a_rank_that_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left: list[int] = []

    def fails(comm: Any) -> int:
        raise ConnectionError("comm: rank 0 has not answered for 9 s: training ends here")

    monkeypatch.setattr(launched, "communicator", lambda: pair(1))
    monkeypatch.setattr(launched, "share_cores", lambda comm: None)
    monkeypatch.setattr(launched, "LAST_WORDS", 0.0)
    monkeypatch.setattr(launched.os, "_exit", left.append)
    launched.on_ranks(fails)
    assert left == [2]
    expected = "numpy-diffusion: error: comm: rank 0 has not answered for 9 s: training ends here\n"
    assert capsys.readouterr().err == expected


def test_a_call_of_mpi_that_does_not_come_back_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(launched.OverMPI, "since", time.monotonic() - 9.0)
    monkeypatch.setattr(launched, "LOOK", 0.0)
    monkeypatch.setattr(launched.os, "_exit", end)
    with pytest.raises(SystemExit, match=r"^2$"):
        launched._guard(8.0)
    assert "the connection to the others is broken: training ends here" in capsys.readouterr().err


class Node(ThreadComm):
    """All ranks on one machine."""

    def Split_type(self, kind: int) -> Node:
        return self

    def Free(self) -> None:
        pass


@pytest.mark.parametrize(("cores", "threads"), [(range(4), 2), (range(3), 1), (range(1), 1)])
def test_ranks_on_a_machine_share_its_cores(cores: range, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[int] = []
    with_mpi(monkeypatch, None)
    monkeypatch.setattr(launched.os, "sched_getaffinity", lambda _: set(cores), raising=False)
    monkeypatch.setattr(launched, "texts", lambda ranks, own: [own, own])
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    monkeypatch.setattr(numba, "set_num_threads", set_to.append)
    launched.share_cores(Node(0, [[], []]))
    assert set_to == [threads]


def test_threads_that_the_user_asks_for_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    monkeypatch.setattr(numba, "set_num_threads", None)
    launched.share_cores(pair())


def test_ranks_outlive_the_sign_that_another_died(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a handler of the user's own stays."""
    monkeypatch.setenv("PMI_RANK", "0")
    with_mpi(monkeypatch, pair())
    monkeypatch.setattr(launched, "share_cores", lambda comm: None)
    before = signal.getsignal(signal.SIGUSR1)
    try:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        launched.on_ranks(lambda comm: 0)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        signal.signal(signal.SIGUSR1, signal.default_int_handler)
        launched.on_ranks(lambda comm: 0)
        assert signal.getsignal(signal.SIGUSR1) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGUSR1, before)
