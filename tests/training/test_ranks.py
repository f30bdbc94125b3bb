"""Training on several processes: the bits of one, the same arguments on all, one end; on threads, and over MPI."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from checks import mpi_jobs
from checks.ranks import ThreadComm, on_comms, on_ranks

import numpy_diffusion as nd
from numpy_diffusion.kernels.vector import registers
from numpy_diffusion.models.shares import ALONE, Message
from numpy_diffusion.training import ranks
from numpy_diffusion.training.interrupts import NEVER, Stop
from numpy_diffusion.training.ranks import agreed, check_alike, over, texts, together

WHY = mpi_jobs.missing()
over_mpi = pytest.mark.skipif(WHY is not None, reason=WHY or "")


@pytest.fixture(scope="module")
def of_one() -> dict[str, str]:
    return {name: mpi_jobs.digest(job(None)) for name, job in mpi_jobs.JOBS.items()}


@over_mpi
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_weights_and_losses_are_those_of_one_process(size: int, of_one: dict[str, str]) -> None:
    job = mpi_jobs.started(size, "-m", "checks.mpi_jobs")
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    assert json.loads(out) == of_one


LIES = {
    "seed": "seed: expected 0 as on rank 0, got 1 on rank 2",
    "data": "x0: expected shape [300, 2] (sha256 ",
    "weights": "weights: expected ",
    "version": f"numpy_diffusion: expected {nd.__version__} as on rank 0, got 0.0.1 on rank 2",
    "rate": "rank 2: learning_rate: expected a finite number of at least 0.0, got -1.0",
    "too many": "comm: expected at most 1 processes for a batch of 20, which is divided into so many groups, got 3",
}


@over_mpi
@pytest.mark.parametrize("lie", LIES)
def test_processes_that_disagree_are_refused(lie: str) -> None:
    job = mpi_jobs.started(3, "-m", "checks.mpi_lies", lie)
    out, err = job.communicate(timeout=120)
    assert job.returncode == 0, err
    of_rank = out.splitlines()
    assert len(of_rank) == 3
    assert of_rank[0].startswith(LIES[lie])
    assert of_rank[1] == of_rank[0]


# The command


def command(folder: Path, steps: int = 300, *more: str) -> list[str]:
    line = f"-m numpy_diffusion train --data spiral --n 300 --batch 200 --width 20 --depth 1 --steps {steps} --seed 3"
    return [*line.split(), "--checkpoint-every", "20", "--out", str(folder), *more]


def alone(folder: Path, *more: str) -> np.ndarray:
    subprocess.run([sys.executable, *command(folder, 300, *more)], check=True, capture_output=True)
    return weights(folder)


def weights(folder: Path) -> np.ndarray:
    return np.concatenate([nd.load(folder).buffer, nd.load_run(folder).losses])


@over_mpi
def test_a_run_of_four_goes_on_with_three_and_ends_with_one(tmp_path: Path) -> None:
    """Ctrl-C on mpiexec keeps the run, at a step that all know of; the first process alone tells."""
    expected = alone(tmp_path / "whole")
    for size, more in ((4, ()), (3, ("--resume",))):
        job = mpi_jobs.started(size, *command(tmp_path / "run", 300, *more), start_new_session=True)
        before = len(nd.load_run(tmp_path / "run").losses) if more else 0
        until(job, lambda before=before: steps_done(tmp_path / "run") > before)
        job.send_signal(signal.SIGINT)
        out, err = job.communicate(timeout=60)
        assert job.returncode != 0
        assert err.count("interrupted; to go on: numpy-diffusion train --out") == 1, err
        assert out.count("of 300 steps") == 1
        assert 0 < steps_done(tmp_path / "run") < 300
    np.testing.assert_array_equal(alone(tmp_path / "run", "--resume"), expected)


def steps_done(folder: Path) -> int:
    try:
        return len(nd.load_run(folder).losses)
    except (OSError, ValueError):
        return 0


def until(job: subprocess.Popen[str], done: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


@over_mpi
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_others_end_where_one_dies_or_stands_still(how: signal.Signals, tmp_path: Path) -> None:
    """The checkpoint is whole: it goes on to the bits of a run without a fault.

    Where one stands still, each that misses it says so in one sentence; where one has died, the launcher ends the
    others itself, mostly before they can.
    """
    expected = alone(tmp_path / "whole")
    job = mpi_jobs.started(3, *command(tmp_path / "run", 300), env={ranks.PATIENCE: "2"}, start_new_session=True)
    until(job, lambda: steps_done(tmp_path / "run") > 0)
    os.kill(mpi_jobs.processes(tmp_path / "run")[2], how)
    try:
        _, err = job.communicate(timeout=60)
    finally:
        for left in mpi_jobs.processes(tmp_path / "run").values():
            os.kill(left, signal.SIGKILL)
    assert job.returncode != 0
    said = err.count("numpy-diffusion: error: comm: ")  # maybe behind the bar of another
    assert said >= (how == signal.SIGSTOP), err
    assert err.count("has not answered for 2 s") + err.count("is broken") == said <= 2
    np.testing.assert_array_equal(alone(tmp_path / "run", "--resume"), expected)


# Without MPI


@pytest.mark.parametrize("size", [2, 3])
def test_threads_with_a_communicator_train_as_one_process(size: int) -> None:
    expected = mpi_jobs.digest(mpi_jobs.mlp(None))
    assert {mpi_jobs.digest(run) for run in on_comms(size, mpi_jobs.mlp)} == {expected}


def test_the_first_alone_writes_and_tells(tmp_path: Path) -> None:
    told: list[int] = []

    def job(comm: ThreadComm) -> Any:
        return mpi_jobs.mlp(
            comm, out=tmp_path / "run", checkpoint_every=3, after_checkpoint=lambda run: told.append(comm.Get_rank())
        )

    runs = on_comms(2, job)
    assert told == [0, 0]
    assert [run.step for run in runs] == [6, 6]
    np.testing.assert_array_equal(nd.load(tmp_path / "run").buffer, runs[1].model.buffer)


def test_all_stop_where_who_is_told_says_so() -> None:
    """As one process does where `after_checkpoint` raises a KeyboardInterrupt."""

    def enough(run: Any) -> None:
        if run.step == 4:
            raise KeyboardInterrupt

    def job(comm: ThreadComm | None) -> Any:
        return mpi_jobs.mlp(comm, checkpoint_every=2, after_checkpoint=enough)

    alone = job(None)
    assert (alone.step, alone.interrupted) == (4, True)
    assert {mpi_jobs.digest(run) for run in on_comms(2, job)} == {mpi_jobs.digest(alone)}


def test_all_end_where_the_first_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []

    def job(comm: ThreadComm) -> None:
        with pytest.raises((OSError, ValueError)) as raised:
            mpi_jobs.mlp(comm, out=tmp_path)
        said.append(str(raised.value))

    on_comms(3, job)
    own = f"out: expected a new or empty folder, but {tmp_path} holds files"
    assert sorted(said) == sorted([own, f"rank 0: {own}", f"rank 0: {own}"])


def test_a_resumed_run_must_be_the_same_on_all(tmp_path: Path) -> None:
    mpi_jobs.mlp(None, out=tmp_path / "0", checkpoint_every=3)
    mpi_jobs.mlp(None, out=tmp_path / "1", checkpoint_every=3, steps=9)

    def job(comm: ThreadComm) -> None:
        with pytest.raises(ValueError, match=r"^checkpoint: expected \w{12} as on rank 0, got \w{12} on rank 1$"):
            mpi_jobs.mlp(comm, out=tmp_path / str(comm.Get_rank()), steps=20, resume=True)

    on_comms(2, job)


def test_what_has_no_groups_is_refused() -> None:
    def job(comm: ThreadComm) -> None:
        with pytest.raises(ValueError, match=r"^comm: expected one process for the definition of a MLP"):
            mpi_jobs.mlp(comm, backend="numpy")

    on_comms(2, job)


def test_texts_of_all_sizes_are_told_to_all() -> None:
    said = ["", "ä", "a longer text than the others"]
    assert on_ranks(3, lambda r: texts(r, said[r.rank])) == [said] * 3


def test_what_fails_on_one_fails_on_all() -> None:
    def fails_on_one(r: Any) -> str:
        def action() -> int:
            return 1 // (1 - r.rank)

        try:
            return str(together(r, action))
        except (ArithmeticError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    expected = "integer division or modulo by zero"
    assert on_ranks(2, fails_on_one) == [f"ValueError: rank 1: {expected}", f"ZeroDivisionError: {expected}"]
    assert together(ALONE, lambda: 3) == 3


def test_all_stop_where_one_is_asked_to() -> None:
    def asked(r: Any) -> ranks.Agreed:
        stop = Stop()
        stop.asked = r.rank == 1
        return agreed(r, 0.5 + r.rank, stop)

    assert on_ranks(3, asked) == [(0.5, True)] * 3
    assert agreed(ALONE, 0.25, NEVER) == (0.25, False)


def test_a_long_term_is_told_short() -> None:
    def job(r: Any) -> str:
        with pytest.raises(ValueError, match=r"^weighting: expected \[0, 0, 1") as raised:
            check_alike(r, lambda: {"weighting": [r.rank, *range(10_000)]})
        return str(raised.value)

    (one, two) = on_ranks(2, job)
    assert one == two
    assert len(one) < 200


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_in_bfloat16_all_have_a_tile_unit_or_none(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    class OfOne:
        asked: ClassVar[list[bool]] = []

        def __bool__(self) -> bool:
            self.asked.append(True)
            return len(self.asked) == 1

    def job(r: Any) -> str:
        try:
            check_alike(r, lambda: {"precision": precision})
        except ValueError as error:
            return str(error)
        return ""

    monkeypatch.setattr(registers, "TILES", OfOne())
    (one, two) = on_ranks(2, job)
    assert one == two
    named = re.fullmatch(r"products in bfloat16: expected by (.*) as on rank 0, got by (.*) on rank 1", one)
    assert (named is None) == (precision == "float32")
    if named is not None:
        assert set(named.groups()) == {"a tile unit", "vector registers"}


def test_ranks_of_other_precisions_are_told_so_and_not_what_follows_from_it() -> None:
    def job(r: Any) -> str:
        with pytest.raises(ValueError, match="bfloat16") as refused:
            check_alike(r, lambda: {"precision": ("bfloat16", "float32")[r.rank]})
        return str(refused.value)

    assert set(on_ranks(2, job)) == {"precision: expected bfloat16 as on rank 0, got float32 on rank 1"}


def test_a_silent_rank_ends_the_wait() -> None:
    def job(comm: ThreadComm) -> str:
        if comm.Get_rank() == 1:
            return ""
        with pytest.raises(ConnectionError) as raised:
            ranks.OverMPI(comm, 0.1).exchange([], [Message(1, np.zeros(3, np.float32))])
        return str(raised.value)

    assert on_comms(2, job)[0] == "comm: rank 1 has not answered for 0.1 s: training ends here"


def test_a_broken_connection_ends_the_wait() -> None:
    class Broken(ThreadComm):
        def Irecv(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("MPI_ERR_PROC_FAILED")

    two = ranks.OverMPI(Broken(0, [[None] * 2] * 2), 1.0)  # type: ignore[list-item]
    with pytest.raises(ConnectionError, match=r"^comm: the connection to rank another is broken"):
        two.exchange([], [Message(1, np.zeros(3, np.float32))])


@pytest.mark.parametrize("given", ["0", "-3", "soon", "inf"])
def test_patience_is_seconds(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ranks.PATIENCE, given)
    with pytest.raises(ValueError, match=f"^{ranks.PATIENCE}: expected seconds, more than 0, got '{given}'$"):
        over(ThreadComm(0, [[None] * 2] * 2))  # type: ignore[list-item]


def test_a_communicator_is_known_by_what_it_can() -> None:
    assert over(None) is ALONE
    with pytest.raises(
        ValueError, match=r"^comm: expected a communicator of mpi4py, such as MPI.COMM_WORLD, got 'w'"
    ):
        over("w")
