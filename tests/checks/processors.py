"""What NumPy gives on a processor without the widest of this one's vector registers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[attr-defined]


def narrow_digest(test_file: str) -> str:
    """`digest()` of this test file in a process whose NumPy has no registers of 512 bits, as a laptop's."""
    wide = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4")) and __cpu_features__[name]]
    if not wide:
        pytest.skip("NumPy has no registers of 512 bits here that it could do without")
    path = Path(test_file)
    search = os.pathsep.join(map(str, (path.parent, Path(__file__).parents[1], Path(__file__).parents[2])))
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(wide), "PYTHONPATH": search}
    command = [sys.executable, "-c", f"import {path.stem} as t; print(t.digest())"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
