"""`nd.sample` in chunks: chunk k of the array is samples k c to (k + 1) c - 1 of the seed."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Model, described
from numpy_diffusion.models.wrapper import check_rows, rows
from numpy_diffusion.parallel.engine import module, name, placed, task
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling import samplers, start
from numpy_diffusion.sampling.solvers import Method

NUMBERS: Final = 2**15  # of a chunk, unless the caller says otherwise: 16,384 points of 2, 10 images of 3 x 32 x 32


def sample(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int = 0,
    *,
    client: Any = None,
    chunk: int | None = None,
    method: Method = "ancestral",
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    end: int = 0,
    first: int = 0,
    shape: tuple[int, ...] | None = None,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> Any:
    """n samples of the model as a lazy dask array [n, *shape], to the bit those of `nd.sample` with the same seed.

    Parameters
    ----------
    model : as for `nd.sample`; one that runs kernels, or works on each sample by itself, gives the same bits for
        every chunk.  What `guided` tells of each sample goes with the samples.  Dask pickles it: a function of a
        script's own is sent as a whole, one of a module by its name
    n : how many samples; they need not fit into any memory: `to_zarr`, `dask.array.to_npy_stack` and `to_npy` of this
        room write them chunk by chunk
    client : dask.distributed.Client, whose workers get the model now; without one, whatever Dask computes with
    chunk : samples of a task; as many as have 32,768 numbers unless given.  A task takes one thread
    all others : as for `nd.sample`

    Returns
    -------
    dask array [n, *shape] in chunks [chunk, *shape], float32, or float64 as `nd.sample` has it

    Raises
    ------
    ImportError : Dask is missing
    ValueError : as for `nd.sample`, of the arguments at the call; a client that is none

    Examples
    --------
    >>> import numpy_diffusion as nd
    >>> x = nd.parallel.sample(lambda x, t: x, nd.Schedule.linear(T=10), n=5, chunk=2, shape=(3,))  # doctest: +SKIP
    >>> x.chunks, x.compute().shape  # doctest: +SKIP
    (((2, 2, 1), (3,)), (5, 3))
    """
    arrays = module("dask.array")
    n, seed, first = start.checked(n, seed, first)
    known = described(model, shape)
    check_rows(model, n)
    options = {
        "method": method,
        "variance": variance,
        "eta": eta,
        "churn": churn,
        "steps": steps,
        "end": end,
        "shape": shape,
        "precision": asked(precision),
    }
    samplers.sample_steps(rows(model, slice(0, 1)), schedule, 1, seed, **options)  # type: ignore[arg-type]
    length = NUMBERS // math.prod(known.shape) if chunk is None else _checks.integer("chunk", chunk, 1)
    length = max(1, min(n, length))
    chunks = (length,) * (n // length) + (n % length,) * (n % length > 0), *known.shape
    dtype = np.float64 if known.units.in_float64 else np.float32
    model = placed("model", model, client)
    settings = placed("settings", (schedule, seed, first, chosen(backend), options), client)
    return arrays.map_blocks(
        _chunk,
        model,
        settings,
        chunks=chunks,
        dtype=dtype,
        meta=np.empty((0,) * len(chunks), dtype),
        name=name("sample", model, settings, chunks),
    )


def _chunk(model: Any, settings: Any, block_info: Any = None) -> np.ndarray:
    """The samples of one chunk."""
    low, high = block_info[None]["array-location"][0]
    schedule, seed, first, form, options = settings
    with task(form, options["precision"]):
        part = rows(model, slice(low, high))
        return samplers.sample(part, schedule, high - low, seed, first=first + low, progress=False, **options)
