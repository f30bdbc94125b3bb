"""The benchmark: this project and every peer found installed, on the same work, in one run.

    python -m pip install '.[bench]'
    python benchmarks/run.py            about half an hour, much of it compilation
    python benchmarks/run.py --quick    some minutes

Each work checks that all give the same answer before it times them.  Contestants take turns; a figure is the median
of the rounds.  The first call, compilation included, is reported apart.  The share of peak sets the useful
floating-point operations in the best round against the best rate of the SIMD tile itself, measured in the same
minutes; likewise the multiple of a copy.
Writes benchmark.json, benchmark.md and benchmark.png to --out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import clip_works
import latent_works
import numpy as np
import report
import spiral_race
import timing
import unclip_works
import unet_works
import works

QUICK = {"rounds": 3, "least": 0.02}
FULL = {"rounds": 9, "least": 0.2}
# Of titles: what --quick leaves out, unless --only asks for it.
LONG = ("1000 steps, 8192", "log_prob", "(x 2)", "(x 4)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer and shorter rounds, without 8192 points, the wider networks of latents, and the race",
    )
    parser.add_argument("--only", default="", help="only works whose title contains this; others keep their row")
    parser.add_argument(
        "--no-race", action="store_true", help="leave out the whole-process race of the spiral example"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    options = parser.parse_args()

    rows = [
        measure(build(), **(QUICK if options.quick else FULL))
        for title, build in _jobs().items()
        if (options.only in title if options.only else not (options.quick and any(part in title for part in LONG)))
    ]
    if not (options.quick or options.no_race or options.only):
        rows.append(spiral_race.race())
        report.print_row(rows[-1])
    report.write(
        {"machine": timing.machine(), "works": _with_others(rows, options.out / "benchmark.json")}, options.out
    )


def _jobs() -> dict[str, Callable[[], works.Work]]:
    """What makes each work, by its title."""
    peers = works.installed_peers("peer_numpy", "peer_torch", "peer_jax")
    unet_peers = works.installed_peers("peer_diffusers")
    return (
        {
            "q_sample with noise, 4096 x 768": lambda: works.q_sample(peers),
            "q_sample into out=, 4096 x 768": lambda: works.q_sample(peers, into=True),
            "Algorithm 1, 1000 steps, 64 points": lambda: works.chain(peers, 64, 3.0),
            "Algorithm 1, 1000 steps, 1024 points": lambda: works.chain(peers, 1024, 1.3),
            "Algorithm 1, 1000 steps, 8192 points": lambda: works.chain(peers, 8192, 1.3),
            "DDIM, 50 steps, 8192 points": lambda: works.chain(peers, 8192, 1.3, method="ddim", steps=50),
            "log_prob, 100 steps, 10000 points": lambda: works.log_prob(peers, 10_000),
            "training step with Adam, batch 256": lambda: works.train(peers, 256, 3.0),
            "training step with Adam, batch 2048": lambda: works.train(peers, 2048, 1.5),
            "convolution 3 x 3, 64 channels": lambda: unet_works.convolution(unet_peers, 64),
            "convolution 3 x 3, 128 channels": lambda: unet_works.convolution(unet_peers, 128),
            "U-Net, 1 image": lambda: unet_works.predict(unet_peers, 1, 1.2),
            "U-Net, 16 images": lambda: unet_works.predict(unet_peers, 16, 2.0),
            "U-Net, 64 images": lambda: unet_works.predict(unet_peers, 64, 2.0),
            "U-Net, training step, batch 32": lambda: unet_works.train(unet_peers, 32, 2.0),
        }
        | latent_works.jobs(works.installed_peers("peer_latents"))
        | clip_works.jobs(works.installed_peers("peer_clip"))
        | unclip_works.jobs(works.installed_peers("peer_unclip"))
    )


def _with_others(rows: list[dict[str, object]], path: Path) -> list[dict[str, object]]:
    """The rows, and from an earlier run's file those of works that were not measured now."""
    known = json.loads(path.read_text())["works"] if path.exists() else []
    found = {row["title"]: row for row in [*known, *rows]}
    return list(found.values())


def measure(work: works.Work, rounds: int, least: float) -> dict[str, object]:
    """One row of the table: seconds a unit for each contestant, the ratio and the share of the machine's peak."""
    found = timing.interleaved(work.runs, rounds, least)
    seconds = {name: times["median"] / work.calls for name, times in found.items()}
    best = found[works.OURS]["min"] / work.calls
    row = {
        "title": work.title,
        "target": work.target,
        "seconds": seconds,
        "first call": work.first,
        "spread": {name: [times["min"] / work.calls, times["max"] / work.calls] for name, times in found.items()},
        "peak GFLOP/s": timing.peak_gflops(),
    }
    if work.flops:
        row["share of peak"] = work.flops / best / 1e9 / row["peak GFLOP/s"]
    if work.bytes:
        row["times a copy"] = best / _copy_seconds(work.bytes, rounds, least)
    report.print_row(row)
    return row


def _copy_seconds(moved: float, rounds: int, least: float) -> float:
    """Seconds to read and write as many bytes by a plain copy, the best of the rounds."""
    source = np.ones(int(moved / 4 / 2), np.float32)  # half of what moves is read, half written
    target = np.empty_like(source)
    return timing.interleaved({"copy": lambda: np.copyto(target, source)}, rounds, least)["copy"]["min"]


if __name__ == "__main__":
    sys.exit(main())
