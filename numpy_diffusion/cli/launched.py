"""The processes that mpiexec or srun has started with this one, which train together (docs/mpi.md)."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from numpy_diffusion.cli.signals import INTERRUPTED
from numpy_diffusion.cli.streams import PROGRAM, say, tell
from numpy_diffusion.kernels.backend import chosen
from numpy_diffusion.models.shares import Ranks
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training.ranks import OverMPI, over, patience, texts
from numpy_diffusion.training.run import Run

# What MPICH, Intel MPI and Slurm's pmi2 (PMI), Open MPI and Slurm's pmix (PMIX) give each process that they start.
TOLD: Final = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
SIZES: Final = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")  # how many there are, where the launcher says it
TASKS: Final = "SLURM_STEP_NUM_TASKS"
LOOK: Final = 1.0  # seconds between two looks whether MPI still answers
LAST_WORDS: Final = 2.0  # seconds in which the others say theirs, before the launcher ends them


def on_ranks(train: Callable[[Any], int]) -> int:
    """What train(communicator) gives; the communicator is None where this process was started alone.

    Of an error that all ranks share the first alone speaks; of a rank that is gone or silent, each that misses it.
    """
    comm = communicator()
    if comm is None:
        return train(None)
    share_cores(comm)
    _outlive_the_launchers_sign()
    threading.Thread(target=_guard, args=(patience() + LAST_WORDS,), daemon=True).start()
    try:
        return train(comm)
    except ConnectionError as error:
        say(f"error: {error}")
        _leave()
    except (ValueError, OSError, ImportError, ArithmeticError, MemoryError):
        if comm.Get_rank() == 0:
            raise
    return 2


def told(run: Run, ranks: Ranks) -> int:
    """The exit status of a run, of which the first process tells."""
    if ranks.rank == 0:
        tell(f"{run.path}: {checkpoints.progress(run.losses, run.steps)}")
        if run.interrupted:
            say(f"interrupted; to go on: {PROGRAM} train --out {run.path} --resume")
    return INTERRUPTED if run.interrupted else 0


def communicator() -> Any:
    """MPI's, of all processes that were started together; None where there is no other.

    Raises
    ------
    ImportError : there are others, but no mpi4py
    ValueError : Slurm has started others, of which MPI does not know
    """
    tasks = int(os.environ.get(TASKS, "1"))
    if (tasks == 1 and not os.environ.keys() & set(TOLD)) or _of_one():
        return None
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter where mpi4py finds no MPI
        raise ImportError(f"several processes need mpi4py: pip install 'numpy_diffusion[mpi]' ({error})") from None
    size = MPI.COMM_WORLD.Get_size()
    if tasks > 1 and size == 1:
        raise ValueError(f"srun: expected {tasks} processes that MPI knows of, got 1: see srun --mpi=list")
    return MPI.COMM_WORLD if size > 1 else None


def _of_one() -> bool:
    """Whether the launcher says that it has started this process alone, so that no mpi4py is asked for."""
    said = [os.environ[name] for name in (*SIZES, TASKS) if name in os.environ]
    return said[:1] == ["1"]


def share_cores(comm: Any) -> None:
    """Let each process have its part of the cores that several on one machine may use, unless the user says so."""
    if "NUMBA_NUM_THREADS" in os.environ or chosen() == "numpy":
        return
    import numba
    from mpi4py import MPI

    here = comm.Split_type(MPI.COMM_TYPE_SHARED)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    own = ",".join(map(str, cores))
    sharing = texts(over(here), own).count(own) if here.Get_size() > 1 else 1
    here.Free()
    numba.set_num_threads(max(1, min(numba.get_num_threads(), len(cores) // sharing)))


def _outlive_the_launchers_sign() -> None:
    """MPICH's launcher tells of a rank that died by SIGUSR1, which by default ends who gets it without a word."""
    sign = getattr(signal, "SIGUSR1", None)  # Windows has none
    if sign is not None and signal.getsignal(sign) is signal.SIG_DFL:
        signal.signal(sign, signal.SIG_IGN)


def _guard(seconds: float) -> None:
    """End this process where it has waited longer than it should: in a call of MPI that does not come back, as may
    happen where the launcher itself is cut off."""
    while True:
        time.sleep(LOOK)
        if (since := OverMPI.since) is not None and time.monotonic() - since > seconds:
            say("error: comm: the connection to the others is broken: training ends here")
            os._exit(2)


def _leave() -> None:
    """End at once: MPI's own end would wait for those who are gone."""
    sys.stdout.flush()
    time.sleep(LAST_WORDS)
    os._exit(2)
