"""Samples and likelihoods by the workers of a Dask scheduler, wherever they are: to the bit those of this process?

    python benchmarks/two_hosts_dask.py SCHEDULER [--points N]

SCHEDULER is the address of one that runs, as tcp://10.0.0.1:8786, with workers that have this package.  Says on which
hosts the workers are and what was compared; the exit status is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from typing import Any

import dask.array
import numpy as np
from distributed import Client

import numpy_diffusion as nd

BLOCKS: dict[str, Any] = {
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
    "norm_num_groups": 8,
}


def digest(x: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(x)).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scheduler", metavar="SCHEDULER")
    parser.add_argument("--points", type=int, default=100_000, help="to draw (default: 100000)")
    options = parser.parse_args()
    points, schedule = nd.MLP(2, 64, 2), nd.Schedule.linear(T=50)
    images = nd.UNet(sample_size=16, in_channels=1, out_channels=1, block_out_channels=(16, 32), **BLOCKS)
    for model in (points, images):
        model.buffer[:] += 0.02 * np.random.default_rng(0).normal(size=model.buffer.size)
    with Client(options.scheduler) as client:
        hosts = Counter(address.split("//")[1].rpartition(":")[0] for address in client.nthreads())
        print("workers: " + ", ".join(f"{count} on {host}" for host, count in sorted(hosts.items())), flush=True)
        x = nd.parallel.sample(points, schedule, options.points, client=client, chunk=1000)
        pictures = nd.parallel.sample(images, schedule, 24, client=client, chunk=3, method="ddim", steps=5)
        likely = dask.array.from_array(nd.sample(points, schedule, 5000, progress=False), chunks=1000)
        works = {
            "points": (x, lambda: nd.sample(points, schedule, options.points, progress=False)),
            "images": (pictures, lambda: nd.sample(images, schedule, 24, method="ddim", steps=5, progress=False)),
            "log_prob": (
                nd.parallel.log_prob(points, schedule, likely, client=client, steps=10),
                lambda: nd.log_prob(points, schedule, likely.compute(), steps=10, progress=False),
            ),
            "bound": (
                nd.parallel.bound(points, schedule, likely, client=client),
                lambda: nd.bound(points, schedule, likely.compute(), progress=False).totals,
            ),
        }
        equal = True
        for name, (lazy, here) in works.items():
            began = time.perf_counter()
            found = digest(lazy)
            took, same = time.perf_counter() - began, found == digest(here())
            equal &= same
            print(f"{name:<9} {'equal' if same else 'DIFFERENT'}  {found[:16]}  {took:.1f} s", flush=True)
    sys.exit(not equal)


if __name__ == "__main__":
    main()
