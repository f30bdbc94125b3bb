"""What compiled code gives on registers of other widths than this process takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from numpy_diffusion.kernels.vector.registers import SHAPES, register_bits


def digests(test_file: str) -> list[str]:
    """`digest()` of this test file in a process for each other width; where registers are narrower, the compiler
    splits those that are not."""
    path = Path(test_file)
    search = os.pathsep.join(map(str, (path.parent, Path(__file__).parents[1], Path(__file__).parents[2])))
    found = []
    for width in sorted(SHAPES.keys() - {register_bits()}):
        environment = os.environ | {"NUMPY_DIFFUSION_SIMD": str(width), "PYTHONPATH": search}
        command = [sys.executable, "-c", f"import {path.stem} as t; print(t.digest())"]
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found.append(run.stdout.strip())
    return found
