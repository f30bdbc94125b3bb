"""Sampling by Dask against one process: what it costs, what memory it takes, and what a killed worker does to it.

    python benchmarks/dask_clusters.py overhead    2 workers of 1 thread, and nd.sample on 2 threads: 200,000 points
    python benchmarks/dask_clusters.py memory      10 million points to disk, to zarr and to one .npy file
    python benchmarks/dask_clusters.py kills       20 times a worker killed at a random moment

The clusters are Dask's own, of processes on this machine; every result is compared with that of one process, to the
bit.  `memory` tells the highest resident size of each worker as Linux counts it, and needs zarr.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
from distributed import Client, LocalCluster, wait

import numpy_diffusion as nd

POINTS, MANY, ROUNDS = 200_000, 10_000_000, 5
KILLS, OF_A_KILL, CHUNK = 20, 40_000, 800
DDIM: dict[str, Any] = {"method": "ddim", "steps": 10}


def network(width: int = 128, depth: int = 3) -> nd.MLP:
    """An MLP none of whose weights is zero."""
    model = nd.MLP(2, width, depth)
    model.buffer[:] = 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def digest(x: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(x)).hexdigest()


def cluster(workers: int, threads: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address=None, silence_logs="CRITICAL"
    )


def overhead() -> None:
    """Seconds in turn, warm; with the graph, the transport and the joining of what was drawn."""
    numba.set_num_threads(2)
    model, schedule = network(), nd.Schedule.linear(T=100)
    seconds: dict[str, list[float]] = {"nd.sample, 2 threads": [], "Dask, 2 workers of 1 thread": []}
    processor: dict[str, list[float]] = {name: [] for name in seconds}
    with cluster(2, 1) as machines, Client(machines) as client:

        def by_dask() -> Any:
            return nd.parallel.sample(model, schedule, POINTS, client=client).compute()

        calls = [lambda: nd.sample(model, schedule, POINTS, progress=False), by_dask]
        assert digest(calls[0]()) == digest(calls[1]())
        for turn in range(ROUNDS):
            for call, name in list(zip(calls, seconds, strict=True))[:: 1 - 2 * (turn % 2)]:
                busy, began = processor_seconds(client), time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - began)
                processor[name].append(processor_seconds(client) - busy)
    for what, found in (("", seconds), (" of processors", processor)):
        for name, times in found.items():
            each = ", ".join(f"{one:.2f}" for one in times)
            print(f"{name:<28} median {statistics.median(times):.2f} s{what}: {each}")
        one, many = map(statistics.median, found.values())
        print(f"{many / one - 1.0:+.1%}")


def processor_seconds(client: Client) -> float:
    """Of this process and the workers: on a machine that others use as well, what tells more than the clock."""
    return time.process_time() + sum(client.run(time.process_time).values())


def memory() -> None:
    """Two workers of a thread, each with a limit at which Dask would end it."""
    model, schedule = network(32, 2), nd.Schedule.linear(T=1000)
    few = nd.sample(model, schedule, 1000, first=MANY - 1000, progress=False, **DDIM)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="500 MB", dashboard_address=None) as machines,
        Client(machines) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        for form in ("zarr", "npy"):
            x, path, began = (
                nd.parallel.sample(model, schedule, MANY, client=client, **DDIM),
                Path(folder) / form,
                0.0,
            )
            began = time.perf_counter()
            if form == "zarr":
                x.to_zarr(path)
                import zarr

                last = zarr.open(path, mode="r")[-1000:]
            else:
                nd.parallel.to_npy(x, path, client=client)
                last = np.load(path, mmap_mode="r")[-1000:]
            assert digest(last) == digest(few)
            took = time.perf_counter() - began
            peaks = ", ".join(f"{size:.0f} MB" for size in client.run(peak).values())
            print(f"{MANY:,} points to {form}: {took:.1f} s, at most {peaks} in the workers", flush=True)


def peak() -> float:
    """The highest resident size of this process so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def kills() -> None:
    """One run after another, a worker of three killed at a moment drawn over the time that a run takes.

    Each has a cluster of its own: a LocalCluster may lose count of its workers when some are killed.
    """
    model, schedule, draw = network(), nd.Schedule.linear(T=20), random.Random(0)
    expected = digest(nd.sample(model, schedule, OF_A_KILL, progress=False))

    def drawn(moment: float) -> tuple[str, int, float]:
        with cluster(3, 1) as machines, Client(machines) as client:
            client.wait_for_workers(3)
            began, done = time.perf_counter(), 0
            x = client.persist(nd.parallel.sample(model, schedule, OF_A_KILL, client=client, chunk=CHUNK))
            if moment < np.inf:
                time.sleep(moment)
                done = sum(future.done() for future in client.futures_of(x))
                os.kill(draw.choice(list(client.run(os.getpid).values())), signal.SIGKILL)
            wait(x)
            return digest(x), done, time.perf_counter() - began

    _, _, whole = drawn(np.inf)
    equal = 0
    for number in range(KILLS):
        found, done, took = drawn(draw.uniform(0.0, whole))
        equal += (same := found == expected)
        drawn_by_then, verdict = f"{done:2} of {OF_A_KILL // CHUNK} chunks drawn", "equal" if same else "DIFFERENT"
        print(f"kill {number + 1:2}: {drawn_by_then}, whole after {took:.1f} s, {verdict}", flush=True)
    print(f"{equal} of {KILLS} results complete and equal to those of one process ({whole:.1f} s without a kill)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "memory", "kills"))
    {"overhead": overhead, "memory": memory, "kills": kills}[parser.parse_args().what]()


if __name__ == "__main__":
    main()
