"""A process whose processor has the tile unit (AMX): where this one has not, its instructions are emulated."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from llvmlite import binding
from numba import config

from numpy_diffusion.kernels.vector.registers import TILES, UNIT, register_bits

TESTS = Path(__file__).parents[1]
FEATURES = ("fma", "avx512f")  # that the emulator takes for given, and kernels for the unit


@functools.cache
def _room() -> tempfile.TemporaryDirectory[str]:
    """For libraries, as long as this process is there."""
    return tempfile.TemporaryDirectory()


@functools.cache
def compiled(name: str) -> Path:
    """The C file of this folder as a library; where there is no compiler the test is skipped."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    path = Path(_room().name) / f"{Path(name).stem}.so"
    options = ["-O2", "-shared", "-fPIC", "-ftls-model=initial-exec"]
    subprocess.run(["cc", *options, "-o", str(path), str(Path(__file__).with_name(name)), "-ldl"], check=True)
    return path


def environment() -> dict[str, str]:
    """Of a child process in which the unit is emulated; without it the test is skipped."""
    if TILES:
        pytest.skip("the processor has the unit: its instructions need no emulator")
    features = binding.get_host_cpu_features()
    known = sys.platform == "linux" and all(features.get(name) for name in FEATURES) and register_bits() == 512
    if not known or config.DISABLE_JIT:
        pytest.skip("the tile unit is emulated on Linux and beside AVX-512")
    compiled_for = features.flatten() if config.CPU_FEATURES is None else config.CPU_FEATURES
    named = [name for name in compiled_for.split(",") if name[1:] not in UNIT]
    return os.environ | {
        "LD_PRELOAD": str(compiled("tile_unit.c")),
        "NUMBA_CPU_FEATURES": ",".join(named + [f"+{name}" for name in UNIT]),
        "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent))),
    }


def run_tests(*files: Path | str) -> None:
    """Run the tests of these files in such a process; pytest's own handler of traps would stand in the way."""
    command = [sys.executable, "-m", "pytest", "-p", "no:faulthandler", "-p", "no:cacheprovider", *map(str, files)]
    run = subprocess.run(command, env=environment(), cwd=TESTS.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
