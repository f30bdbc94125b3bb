"""Cost and growth: time against points, steps, width and threads, and peak memory, of the reverse chain.

    python benchmarks/growth.py

The chain's memory is O(N D) whatever T: a block of samples goes through all the steps before the next one starts.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
from matplotlib.figure import Figure

import numpy_diffusion as nd

POINTS = [2**k for k in range(5, 14, 2)]
STEPS = [10, 30, 100, 300, 1000]
WIDTHS = [16, 32, 64, 128, 256]
MEMORY = """
import resource, sys
import numpy_diffusion as nd
n, T = int(sys.argv[1]), int(sys.argv[2])
model, schedule = nd.MLP(dim=2, width=32, depth=1), nd.Schedule.linear(T=T)
nd.sample(model, schedule, 32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
nd.sample(model, schedule, n)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default: 3)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the picture")
    options = parser.parse_args()

    threads = list(range(1, numba.config.NUMBA_NUM_THREADS + 1))
    curves = {
        "points": (POINTS, [_seconds(options.rounds, n=n) for n in POINTS]),
        "steps T": (STEPS, [_seconds(options.rounds, T=T) for T in STEPS]),
        "width": (WIDTHS, [_seconds(options.rounds, width=width) for width in WIDTHS]),
        "threads": (threads, [_seconds(options.rounds, threads=count) for count in threads]),
    }
    for name, (sizes, found) in curves.items():
        print(
            f"{name:>8}: "
            + "   ".join(f"{size}: {1e3 * seconds:.1f} ms" for size, seconds in zip(sizes, found, strict=True))
        )
    points = [2**20, 2**21, 2**22]
    memory = {T: [_megabytes(n, T) for n in points] for T in (10, 50)}
    for T, found in memory.items():
        print(f"memory, T = {T}: " + "   ".join(f"{n}: {size:.0f} MB" for n, size in zip(points, found, strict=True)))
    _draw(curves, points, memory, options.out / "growth.png")


def _seconds(rounds: int, n: int = 1024, T: int = 200, width: int = 128, threads: int = 0) -> float:
    """Median seconds of one chain, an MLP of depth 3."""
    model, schedule = nd.MLP(dim=2, width=width, depth=3), nd.Schedule.linear(T=T)
    numba.set_num_threads(threads or numba.config.NUMBA_NUM_THREADS)
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        nd.sample(model, schedule, n)
        times.append(time.perf_counter() - start)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    return statistics.median(times[1:])


def _megabytes(n: int, T: int) -> float:
    """How much a chain of n points adds to the peak memory of a process of its own, in MB."""
    command = [sys.executable, "-c", MEMORY, str(n), str(T)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def _draw(curves: dict, points: list[int], memory: dict[int, list[float]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(11, 6), dpi=120, layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    notes = {
        "points": "T = 200, width 128",
        "steps T": "1024 points, width 128",
        "width": "1024 points, T = 200",
        "threads": "1024 points, T = 200, width 128",
    }
    for ax, (name, (sizes, seconds)) in zip(axes, curves.items(), strict=False):
        ax.plot(sizes, 1e3 * np.array(seconds), "o-", color="#0072B2")
        if name == "threads":
            ax.set(xticks=sizes, ylim=0)
        else:
            ax.set(xscale="log", yscale="log")
            ax.set_xticks(sizes, map(str, sizes))
            ax.minorticks_off()
        ax.set(xlabel=name, ylabel="time (ms)", title=f"time against {name}\n({notes[name]})")
    for (T, found), marker, colour in zip(memory.items(), "os", ("#D55E00", "#009E73"), strict=True):
        axes[4].plot(np.array(points) / 1e6, found, marker + "-", color=colour, label=f"T = {T}", alpha=0.8)
    axes[4].set(xlabel="points (millions)", ylabel="added peak memory (MB)", title="memory: the same\nfor any T")
    axes[4].set(xlim=0, ylim=0)
    axes[4].legend()
    axes[5].axis("off")
    figure.savefig(path)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
