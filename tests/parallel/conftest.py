"""Clusters of real processes, which all tests of this folder share: to start one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

WORKERS = 3


@pytest.fixture(scope="session", params=[1, 2], ids=["1 thread", "2 threads"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of three workers with so many threads each, on what they take for a machine of four cores."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    with (
        distributed.LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=request.param,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
            env={"NUMBA_NUM_THREADS": "4"},
            silence_logs="CRITICAL",  # of a worker that is killed Dask has much to say
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found
