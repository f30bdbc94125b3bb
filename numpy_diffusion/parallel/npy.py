"""A dask array in one .npy file, which may be larger than any memory."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, Final

import numpy as np

from numpy_diffusion import _files
from numpy_diffusion.parallel.engine import client_of, module

AHEAD: Final = 2  # chunks for each thread of the workers that are asked for before they are needed


def to_npy(x: Any, path: _files.PathLike, *, client: Any) -> None:
    """Write a dask array to one .npy file here, chunk by chunk in order.  `np.load(path, mmap_mode="r")` opens it.

    The workers need no disk in common with this process, and hold a few chunks at a time.  The file appears when it
    is whole.

    Parameters
    ----------
    x : dask array [n, ...], such as `sample` gives
    path : of the file
    client : dask.distributed.Client

    Raises
    ------
    ImportError : Dask is missing
    ValueError : an x that is no dask array, a client that is none
    OSError : the file cannot be written; the scheduler is gone, or a task has taken too many workers along
    """
    if not isinstance(x, module("dask.array").Array):
        raise ValueError(f"x: expected a dask array, got {type(x).__name__}")
    path = _files.as_path("path", path)
    x = x.rechunk(dict.fromkeys(range(1, x.ndim), -1))
    with _files.os_errors_about("path", path):
        _files.write_parts(Path(path), _content(x, client_of(client)))


def _content(x: Any, client: Any) -> Iterator[bytes]:
    header = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(x.dtype), "fortran_order": False, "shape": x.shape}
    np.lib.format.write_array_header_1_0(header, described)
    yield header.getvalue()
    asked: deque[Any] = deque()
    for k in range(x.numblocks[0]):
        asked.append(client.compute(x.blocks[k]))
        while len(asked) > AHEAD * max(1, sum(client.nthreads().values())):
            yield _bytes(asked.popleft(), x.dtype)
    while asked:
        yield _bytes(asked.popleft(), x.dtype)


def _bytes(chunk: Any, dtype: np.dtype) -> bytes:
    """Of a chunk that was asked for; where Dask joined several, their order in a number may be another."""
    try:
        found = chunk.result()
    except (CancelledError, module("distributed").scheduler.KilledWorker) as error:
        raise OSError(f"client: expected each chunk from its workers, one did not come: {error}") from error
    return found.astype(dtype, copy=False).tobytes()
