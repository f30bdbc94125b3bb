"""A training whose processes do not agree: `mpiexec -n 3 python -m checks.mpi_lies seed`; all say what ends it."""

from __future__ import annotations

import sys

import numpy as np
from checks.mpi_jobs import POINTS, SCHEDULE

import numpy_diffusion as nd
from numpy_diffusion.training import ranks


def main(lie: str) -> None:
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    wrong, x0 = comm.rank == 2, POINTS
    if lie == "version" and wrong:
        ranks.__version__ = "0.0.1"
    if lie == "data" and wrong:
        x0 = x0 + np.array([[1e-3, 0.0]])
    given = dict(steps=6, batch=200 if lie != "too many" else 20, seed=1 if lie == "seed" and wrong else 0)
    rate = -1.0 if lie == "rate" and wrong else 0.01
    model = nd.MLP(dim=2, width=20, depth=1, seed=9 if lie == "weights" and wrong else 5)
    try:
        nd.train(model, SCHEDULE, x0, learning_rate=rate, comm=comm, progress=False, **given)
    except ValueError as error:
        said = comm.gather(f"{error}")
        if comm.rank == 0:
            print("\n".join(said))


if __name__ == "__main__":
    main(sys.argv[1])
