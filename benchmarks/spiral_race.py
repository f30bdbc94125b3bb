"""The spiral from start to samples as a whole process, ours against PyTorch's: start-up and all."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("spiral_process.py")
OURS = "numpy_diffusion"


def race(rounds: int = 2) -> dict[str, object]:
    """Seconds a process, medians of rounds in turn; ours with kernels cached, and once with an empty cache."""
    names = [OURS]
    if importlib.util.find_spec("torch"):
        names += ["PyTorch eager", "PyTorch compiled"]
    with tempfile.TemporaryDirectory() as cache:
        cold, quality = _process(OURS, cache)
        times: dict[str, list[float]] = {name: [] for name in names}
        qualities = {OURS: quality}
        for _ in range(rounds):
            for name in names:
                seconds, qualities[name] = _process(name, cache)
                times[name].append(seconds)
    return {
        "title": "the spiral, whole process",
        "target": 2.5,
        "seconds": {name: statistics.median(found) for name, found in times.items()},
        "first call": {OURS: cold},
        "spread": {name: [min(found), max(found)] for name, found in times.items()},
        "quality": qualities,
    }


def _process(name: str, cache: str) -> tuple[float, dict[str, float]]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, SCRIPT, name], env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, json.loads(done.stdout.splitlines()[-1])
