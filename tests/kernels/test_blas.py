"""Numba imports BLAS for those who multiply matrices in a kernel, and for nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("scipy")

SCRIPT = """
import sys
import numba
import numpy as np
from numpy_diffusion.kernels._jit import jit

kernel = jit(lambda a: a[0] + a[1])
kernel.compile((numba.float32[::1],))
assert "scipy.linalg" not in sys.modules
product = numba.njit(lambda a: np.dot(a, a))
assert product(np.arange(3.0)) == 5.0
assert "scipy.linalg" in sys.modules
"""


def test_a_kernel_without_products_imports_no_linear_algebra_and_one_with_them_has_it() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
