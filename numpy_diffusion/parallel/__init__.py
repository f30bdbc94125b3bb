"""Samples and likelihoods on many machines by Dask, with the bits of one process.

    x = nd.parallel.sample(model, schedule, n=10_000_000, client=client)
    x.to_zarr("/data/x.zarr")

Each function is one of `numpy_diffusion` and gives a lazy dask array, whose chunks are drawn or measured when they
are needed: by the workers of `client`, or by Dask's threads where there is none.  The noise of a sample is that of
its number, so it does not matter who draws it, nor how often: what is lost with a worker that was killed, another
draws again.  A task takes one thread, and a worker has as many tasks at once as it has threads.

Dask need not be installed for the rest of the package: `pip install 'numpy_diffusion[dask]'` brings it.
"""

from numpy_diffusion.parallel.densities import bound, log_prob, score_samples
from numpy_diffusion.parallel.npy import to_npy
from numpy_diffusion.parallel.samples import sample

__all__ = [
    "bound",
    "log_prob",
    "sample",
    "score_samples",
    "to_npy",
]


def __dir__() -> list[str]:
    return __all__
