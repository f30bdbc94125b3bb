"""Numba begins to compile without SciPy's linear algebra, which no kernel here calls.

Before the first kernel Numba asks whether it could call BLAS, by importing it: with it come half of SciPy and NumPy's
Fortran reader, a tenth of a second in each process.  Here that question is answered by looking whether SciPy is
there.  A kernel with `np.dot` in it, of whoever else, asks Numba once more when it is compiled, and imports it then.
"""

from __future__ import annotations

from importlib.util import find_spec

from numba.np import linalg


def _is_there() -> None:
    """In place of Numba's `ensure_blas`, which says no in this way."""
    if find_spec("scipy") is None:
        raise ImportError("scipy")


_imported, linalg.ensure_blas = linalg.ensure_blas, _is_there
try:
    from numba.np import arraymath as _arraymath  # which asks
finally:
    linalg.ensure_blas = _imported
_arraymath.ensure_blas = _imported
