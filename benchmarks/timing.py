"""Honest timing on a noisy machine: contestants in turn, medians of rounds, the machine's peak beside them."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from numba import get_num_threads, prange

from numpy_diffusion.kernels._jit import jit, parallel_jit
from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.vector.registers import LANES, ROWS, register_bits
from numpy_diffusion.kernels.vector.tile import tile

BUDGET = 75.0  # seconds for the rounds of one work
SHORT = 1.0  # seconds of a call before which another is made to warm the caches
PAUSE = 0.02  # seconds between contestants, for the other library's threads to stop spinning


def noting_first(runs: dict[str, Callable[..., object]], first: dict[str, float]) -> dict[str, Callable[..., object]]:
    """The same calls; the seconds of each one's first, compilation included, go to `first`."""

    def noting(name: str, run: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            start = time.perf_counter()
            result = run(*arguments)
            first.setdefault(name, time.perf_counter() - start)
            return result

        return called

    return {name: noting(name, run) for name, run in runs.items()}


def interleaved(
    runs: dict[str, Callable[[], object]], rounds: int, least: float = 0.05
) -> dict[str, dict[str, float]]:
    """Seconds a call of each contestant, warm: `rounds` rounds, each in another order.

    A contestant repeats its call in a round until `least` seconds have passed, after one that is not counted where
    it takes under SHORT seconds: what the others left in the caches is not its own.  A work so long that all rounds
    would take over BUDGET seconds gets fewer, at least three.
    """
    cold = {name: _seconds(run, 1) for name, run in runs.items()}
    warm = {name: _seconds(run, 1) if cold[name] < 5.0 else cold[name] for name, run in runs.items()}
    repeats = {name: max(1, round(least / max(seconds, 1e-9))) for name, seconds in warm.items()}
    names, times = list(runs), {name: [] for name in runs}
    a_round = sum(warm[name] * (repeats[name] + (warm[name] < SHORT)) for name in names)
    for turn in range(max(3, min(rounds, int(BUDGET / a_round)))):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(PAUSE)
            if warm[name] < SHORT:
                runs[name]()
            times[name].append(_seconds(runs[name], repeats[name]))
    return {
        name: {"median": statistics.median(found), "min": min(found), "max": max(found)}
        for name, found in times.items()
    }


def _seconds(run: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


@jit
def _products(W, h, out, repeats):
    for _ in range(repeats):
        for j in range(0, W.shape[0], ROWS):
            tile(W, j * W.shape[1], 1, W.shape[1], h, 0, LANES, out, j * LANES, LANES, W.shape[1])


@parallel_jit
def _all_threads(W, h, out, repeats):
    for worker in prange(h.shape[0]):
        _products(W, h[worker], out[worker], repeats)


def peak_gflops(repeats: int = 2000) -> float:
    """The tile's own rate, 128 x 128 times 128 x LANES in each core's cache, in GFLOP/s: the best of ten."""
    threads = get_num_threads()
    W = aligned(128 * 128).reshape(128, 128)
    h, out = (aligned(threads * 128 * LANES).reshape(threads, 128, LANES) for _ in range(2))
    W[:], h[:] = 0.01, 1.0
    _all_threads(W, h, out, 1)
    seconds = min(_seconds(lambda: _all_threads(W, h, out, repeats), 1) for _ in range(10))
    return 2.0 * 128 * 128 * LANES * threads * repeats / seconds / 1e9


def machine() -> dict[str, object]:
    """What ran the benchmark."""
    libraries = {}
    for name in ("numpy", "numba", "torch", "jax"):
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "threads": get_num_threads(),
        "register bits": register_bits(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **libraries,
    }


def _processor() -> str:
    """The processor's name with what tells models of one name apart; from /proc/cpuinfo where there is one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(line.split("\t: ", 1) if "\t: " in line else (line, "") for line in lines)
    fields = {key.strip(): value for key, value in found.items()}
    return f"{fields.get('model name', platform.machine())}, model {fields.get('model', '?')}"
