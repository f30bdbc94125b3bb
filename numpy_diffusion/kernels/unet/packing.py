"""Parameters packed for the kernels and unpacked again: see `calls.Packing` for where each of them lies."""

import numpy as np
from numba import get_num_threads, prange

from numpy_diffusion.kernels._jit import parallel_jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import share


@parallel_jit
def _gather(workers, numbers, source, target):
    """target[i] = numbers[source[i]], and 0 where that is behind their end."""
    for worker in prange(workers):
        low, high = share(source.shape[0], worker, workers)
        for i in range(low, high):
            target[i] = numbers[source[i]] if source[i] < numbers.shape[0] else np.float32(0)


@parallel_jit
def _transform(workers, weights, squares):
    for worker in prange(workers):
        for row in range(squares.shape[0]):
            w0, u0, C, J = squares[row]
            winograd.transform(weights, w0, u0, C, J, worker, workers)


def pack(parameters, packing, target):
    """Write the flat parameters [P] to target [packing.size], with U of the convolutions that go by squares."""
    _gather(get_num_threads(), parameters, packing.source, target)
    _transform(get_num_threads(), target, packing.squares)


def unpack(packed, place, target):
    """Write the packed numbers to target [P] in the order of the flat parameters; place [P]: `Layout.place`."""
    _gather(get_num_threads(), packed, place, target)
