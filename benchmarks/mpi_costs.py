"""What sharing a batch costs: the sum over ranks by its length, and the U-Net's step on ranks and on threads.

    mpiexec -n 2 python benchmarks/mpi_costs.py             the sum, and the step on these ranks, of one thread each
    NUMBA_NUM_THREADS=2 python benchmarks/mpi_costs.py      the step on two threads of one process

Prints seconds, the least of several turns, so that what else the machine does counts little; and, of the sum, alpha
and beta of alpha * rounds + beta * numbers sent, fitted by least squares.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # before Numba is imported

import numpy as np

import numpy_diffusion as nd
from numpy_diffusion.models.shares import Ranks, add_up, rounds
from numpy_diffusion.training.ranks import over

LENGTHS = (1, 1_000, 10_000, 100_000, 1_000_000, 4_000_000)
SCHEDULE = nd.Schedule.cosine(T=1000)


def least(turns: int, job: Any, ranks: Ranks) -> float:
    """The least seconds of so many turns, which all ranks begin together."""
    found = []
    for _ in range(turns):
        add_up(ranks, ranks.size, np.zeros(1, np.float32))
        begun = time.perf_counter()
        job()
        found.append(time.perf_counter() - begun)
    return min(found)


def sums(ranks: Ranks) -> list[tuple[int, float]]:
    """Seconds of the sum of as many numbers."""
    vectors = {V: np.zeros(V, np.float32) for V in LENGTHS}
    return [(V, least(30, lambda x=x: add_up(ranks, ranks.size, x), ranks)) for V, x in vectors.items()]


def step(comm: Any, batch: int, turns: int) -> float:
    """Seconds of a step of the U-Net of the shapes' example, 1.6 million numbers."""
    model = nd.UNet(
        sample_size=32,
        in_channels=1,
        out_channels=1,
        block_out_channels=(32, 64, 64),
        layers_per_block=2,
        norm_num_groups=8,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    x0 = nd.image_datasets.scenes(200, seed=1).x0
    seen: list[float] = []

    def look(_: Any) -> None:
        seen.append(time.perf_counter())

    nd.train(
        model,
        SCHEDULE,
        x0,
        steps=turns,
        batch=batch,
        checkpoint_every=1,
        after_checkpoint=look,
        comm=comm,
        progress=False,
    )
    return float(np.diff(seen).min()) if seen else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="*", default=[32, 64])
    parser.add_argument("--turns", type=int, default=12)
    options = parser.parse_args()
    comm = None
    if "PMI_RANK" in os.environ or "OMPI_COMM_WORLD_RANK" in os.environ:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    ranks = over(comm)
    if ranks.size > 1:
        found = sums(ranks)
        ways = 2 * len(rounds(ranks.size, ranks.rank, ranks.size))
        sent = [2.0 * V * (ranks.size - 1) / ranks.size for V, _ in found]
        table = np.stack([np.full(len(found), float(ways)), sent], axis=1)
        seconds = np.array([t for _, t in found])
        (alpha, beta), *_ = np.linalg.lstsq(table / seconds[:, None], np.ones(len(found)), rcond=None)
        if ranks.rank == 0:
            for V, t in found:
                print(f"sum of {V:>9,} numbers on {ranks.size} ranks: {1e3 * t:8.3f} ms")
            print(f"alpha {1e6 * alpha:.1f} us a round, beta {1e9 * beta:.2f} ns a number")
    for batch in options.batch:
        seconds = step(comm, batch, options.turns)
        if ranks.rank == 0:
            print(f"U-Net, batch {batch}: {1e3 * seconds:.1f} ms a step on {ranks.size} ranks", flush=True)


if __name__ == "__main__":
    main()
