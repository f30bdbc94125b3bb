"""Ranks killed at random moments of a training over MPI: each time a whole checkpoint, that goes on to the same bits.

    python benchmarks/killed_ranks.py --kills 20

Each run is started by mpiexec on three ranks, of which one is killed; then it is resumed, on one to three ranks, and
its weights and losses must be those of a run that nobody killed.  Needs Linux, and the extra `mpi` with an MPI.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import numpy_diffusion as nd

RANKS = 3
STEPS, EVERY = 400, 10
QUIET = {"NUMBA_NUM_THREADS": "1", "NUMPY_DIFFUSION_MPI_SECONDS": "20"}


def command(ranks: int, folder: Path, *more: str) -> list[str]:
    """A training of an MLP in this folder on so many ranks."""
    own = Path(sys.executable).with_name("mpiexec")
    launcher = [str(own) if own.exists() else "mpiexec", "-n", str(ranks)] if ranks > 1 else []
    line = f"-m numpy_diffusion train --quiet --data spiral --n 500 --batch 256 --width 32 --steps {STEPS}"
    return [*launcher, sys.executable, *line.split(), "--checkpoint-every", str(EVERY), "--out", str(folder), *more]


def trained(ranks: int, folder: Path, *more: str) -> np.ndarray:
    """The weights and losses that a run leaves."""
    subprocess.run(command(ranks, folder, *more), env=os.environ | QUIET, check=True, stdout=subprocess.DEVNULL)
    run = nd.load_run(folder)
    return np.concatenate([run.model.buffer, run.losses])


def processes(folder: Path) -> list[int]:
    """The ids of the ranks that train in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended by now
            continue
        if str(folder).encode() in line and b"python" in line[0]:
            found.append(int(path.name))
    return found


def started(folder: Path) -> subprocess.Popen[bytes]:
    """A run whose first checkpoint has just been written."""
    log = subprocess.DEVNULL
    job = subprocess.Popen(command(RANKS, folder), env=os.environ | QUIET, stdout=log, stderr=log)
    while not (folder / "config.json").exists():
        time.sleep(0.01)
        if job.poll() is not None:
            raise SystemExit(f"expected a run to start, got status {job.returncode}")
    return job


def killed(folder: Path, chance: random.Random, seconds: float) -> int:
    """Train until a rank is killed, within so many seconds from the first checkpoint on; the steps that are kept."""
    job = started(folder)
    time.sleep(chance.uniform(0.0, seconds))
    ranks = processes(folder)
    if ranks:
        os.kill(chance.choice(ranks), signal.SIGKILL)
    job.wait(120)
    return nd.load_run(folder).step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, room = random.Random(options.seed), Path(tempfile.mkdtemp())
    try:
        expected = trained(1, room / "whole")
        job, begun = started(room / "shared"), time.monotonic()
        job.wait()
        seconds = time.monotonic() - begun
        for kill in range(1, options.kills + 1):
            folder = room / str(kill)
            step, ranks = killed(folder, chance, seconds), chance.randint(1, RANKS)
            np.testing.assert_array_equal(trained(ranks, folder, "--resume"), expected)
            print(f"kill {kill}: kept {step} of {STEPS} steps, resumed on {ranks} to the same bits", flush=True)
    finally:
        shutil.rmtree(room)


if __name__ == "__main__":
    main()
