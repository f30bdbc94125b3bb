"""The kernels as plain Python, for a debugger, and what importing the package costs."""

from __future__ import annotations

import os
import subprocess
import sys

UNCOMPILED = """
import numpy as np
import numpy_diffusion as nd
from numpy_diffusion import kernels
from numpy_diffusion.kernels import simd

assert simd.tile is simd.plain_tile
schedule, model = nd.Schedule.linear(T=3), nd.MLP(dim=2, width=5, depth=1, seed=0)
model.params["output.weight"][:] = 0.1
x = np.random.default_rng(0).normal(size=(3, 70)).astype(np.float32)
np.testing.assert_allclose(*(nd.q_sample(x, 2, schedule, backend=name)[0] for name in ("numba", "numpy")), atol=1e-6)
np.testing.assert_allclose(*(nd.sample(model, schedule, 2, backend=name) for name in ("numba", "numpy")), rtol=1e-5)
"""


def test_kernels_run_uncompiled() -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}  # 32-bit words wrap around
    subprocess.run([sys.executable, "-c", UNCOMPILED], env=environment, check=True, timeout=120)


def test_importing_compiles_nothing_and_brings_no_matplotlib() -> None:
    check = (
        "import sys, numpy_diffusion; from numpy_diffusion.kernels import mlp_train; "
        "assert not mlp_train._steps.signatures; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=120)
