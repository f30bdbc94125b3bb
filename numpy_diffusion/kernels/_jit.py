"""The decorators that compile, and the liberties that the compiler may take.

- `error_model="numpy"`: a division by zero gives infinity as in NumPy.  Python's model tests every divisor, and
  a loop with such a test stays scalar, ten times slower.
- `contract`: a * b + c may become one fused multiply-add.  `nsz`: the sign of zero does not matter.
  Nothing may be reordered: sums keep the order that the source gives, so results are the same for any number
  of threads.
- Compiled code is kept on disk beside the source, and the second run starts at once; see `_cache`.
- `nogil=True`: other Python threads, the progress bar's among them, go on meanwhile.
"""

import os
from functools import partial

from numba import config, njit

from numpy_diffusion.kernels import _compiling as _compiling
from numpy_diffusion.kernels._cache import KernelCache

# A thread that waits for the others looks for their end this often, some 50 microseconds, and then sleeps (libgomp
# reads it when the first parallel kernel runs).  libgomp's own 300,000 keep a core busy for milliseconds, many a step
# of training, while the thread that is waited for may want that very core: beside other work, 100,000 took ten times
# as long.  1000 is what libgomp takes of threads that wait actively where they are more than the cores.
if not os.environ.keys() & {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}:
    os.environ["GOMP_SPINCOUNT"] = "1000"

_MATH = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}


def _compiled(function, **options):
    """The function as Numba compiles it, kept on disk where that can be done."""
    kernel = njit(function, **options, **_MATH)
    if not config.DISABLE_JIT:
        kernel._cache = KernelCache(function)
    return kernel


jit = partial(_compiled, nogil=True)  # a kernel
parallel_jit = partial(jit, parallel=True)  # a loop over threads around kernels
inline_jit = partial(_compiled, forceinline=True)  # a scalar function that vectorises in its caller
part_jit = partial(jit, inline="always")  # a part of one kernel, written apart: compiled with it and not by itself
