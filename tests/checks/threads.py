"""What compiled code gives on other numbers of threads than this process has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

THREADS = (1, 2, 5)  # 5: more than many a machine has, and no divisor of anything


def digests(test_file: str) -> list[str]:
    """`digest()` of this test file in a process of five threads, of which 1, 2 and 5 take part."""
    path = Path(test_file)
    code = f"import numba, {path.stem} as t\nfor n in {THREADS}: numba.set_num_threads(n); print(t.digest())"
    environment = os.environ | {
        "NUMBA_NUM_THREADS": str(max(THREADS)),
        "PYTHONPATH": os.pathsep.join(map(str, (path.parent, Path(__file__).parents[1]))),
    }
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
