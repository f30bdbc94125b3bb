"""The two forms of an operation, the kernel that runs and the definition that is read, and how to choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Literal, get_args

from numpy_diffusion import _checks

Backend = Literal["numba", "numpy"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

_current: ContextVar[Backend] = ContextVar("backend", default="numba")


@contextmanager
def backend(name: Backend) -> Iterator[None]:
    """Everything inside the `with` runs on compiled kernels, "numba", or on the NumPy definitions, "numpy".

    With "numpy" a debugger steps from any public function to its formula.  An argument `backend` of a function inside
    counts more.  The setting is that of the thread, and of the tasks that it starts with asyncio.

    Raises
    ------
    ValueError : another name

    Examples
    --------
    >>> import numpy as np, numpy_diffusion as nd
    >>> with nd.backend("numpy"):
    ...     x = nd.sample(nd.MLP(dim=2), nd.Schedule.linear(T=10), n=3)
    >>> x.shape
    (3, 2)
    """
    token = _current.set(_one_of_them(name))
    try:
        yield
    finally:
        _current.reset(token)


def chosen(name: Backend | None = None) -> Backend:
    """The form to take: that named, else that of the `backend` around the call; "numpy" where Numba is missing.

    Raises
    ------
    ValueError : another name
    """
    wanted = _current.get() if name is None else _one_of_them(name)
    return wanted if wanted == "numpy" or _numba_is_there() else "numpy"


def _one_of_them(name: str) -> Backend:
    for known in BACKENDS:
        if name == known:
            return known
    _checks.choice("backend", name, BACKENDS)
    raise AssertionError


@cache
def _numba_is_there() -> bool:
    """Whether kernels can be compiled; the first time that they cannot, a warning says so."""
    try:
        import numba  # noqa: F401 - what needs no kernel needs no Numba
    except ImportError as error:
        _checks.warn(
            f"Numba cannot be imported ({error}): everything runs on the NumPy definitions, which are slower"
        )
        return False
    return True
