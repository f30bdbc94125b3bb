"""Compiled kernels kept on disk as Numba keeps them, but as a help and not as a condition.

Numba ends the program where no folder can be written, where the disk is full and where a file was cut.  Here the
kernel is compiled for this process, and a warning says why, once.  Besides, kernels that may be read but not written,
as in the image of a container, are read.  And none is taken that was compiled from other sources or for other
registers: Numba looks at a kernel's own file alone, but in the kernel is the code of all that it calls.
"""

import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache

from numpy_diffusion import _checks, noise
from numpy_diffusion.kernels.vector.registers import PAIRS, ROWS, TILES, VECTOR

REMEDY = "set NUMBA_CACHE_DIR to a folder that can be written (see docs/troubles.md)"
_told = set()


class KernelCache(NullCache):
    """The cache of one function, with the methods that Numba's dispatcher calls."""

    def __init__(self, function):
        self._written = _found(_Cache, function)
        read = _found(_Readable, function)
        known = self._written is not None and read is not None and read.cache_path == self._written.cache_path
        self._places = [place for place in (None if known else read, self._written) if place is not None]

    @property
    def cache_path(self):
        return None if self._written is None else self._written.cache_path

    def load_overload(self, sig, target_context):
        """The compiled function, or None where it is to be compiled."""
        for place in self._places:
            try:
                found = place.load_overload(sig, target_context)
            except Exception as error:  # a file that was cut or altered may raise anything
                self._drop(place, error)
                continue
            if found is not None:
                return found
        if self._written is None:
            _warn(f"kernels are compiled anew in each process, since no folder for them can be written: {REMEDY}")
        return None

    def save_overload(self, sig, data):
        """Keep the compiled function, if that can be done: it runs in any case."""
        if self._written is None:
            return
        try:
            self._written.save_overload(sig, data)
        except Exception as error:  # of the system, or of a file that was cut and cannot be removed
            _warn(f"{self.cache_path}: compiled kernels cannot be kept here ({_reason(error)}): {REMEDY}")

    def flush(self):
        """Forget what is kept."""
        if self._written is not None:
            self._written.flush()

    @staticmethod
    def _drop(place, error):
        index = place._cache_file._index_path
        with suppress(OSError):
            os.unlink(index)
        _warn(f"{index}: expected kernels in Numba's cache, got a file that was cut or altered or cannot be read "
              f"({_reason(error)}): they are compiled anew (see docs/troubles.md)")  # fmt: skip


class _Cache(FunctionCache):
    """Numba's cache of a function, in a folder that can be written."""

    def __init__(self, py_func):
        super().__init__(py_func)
        self._cache_file._source_stamp = self._cache_file._source_stamp, _sources()

    def _index_key(self, sig, codegen):
        return *super()._index_key(sig, codegen), (ROWS, VECTOR, PAIRS, TILES)


def _must_be_there(locator):
    """In place of Numba's test that the folder can be written."""
    if not os.path.isdir(locator.get_cache_path()):
        raise FileNotFoundError(locator.get_cache_path())


class _Place(CompileResultCacheImpl):
    _locator_classes = tuple(
        type(kind.__name__, (kind,), {"ensure_cache_path": _must_be_there})
        for kind in CompileResultCacheImpl._locator_classes
    )


class _Readable(_Cache):
    """The same in a folder that is there."""

    _impl_class = _Place


def _found(kind, function):
    """The cache of this kind for a function; None where there is no folder for it."""
    try:
        return kind(function)
    except (RuntimeError, OSError):  # Numba's "no locator available", and what it cannot read
        return None


@cache
def _sources():
    """A checksum over all that kernels are compiled from."""
    total = hashlib.sha256()
    for path in sorted([Path(noise.__file__), *Path(__file__).parent.rglob("*.py")]):
        with suppress(OSError):
            total.update(path.read_bytes())
    return total.hexdigest()


def _reason(error):
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def _warn(message):
    if message not in _told:
        _told.add(message)
        _checks.warn(message)
