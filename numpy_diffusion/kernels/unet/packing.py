"""Parameters packed for the kernels and unpacked again: see `calls.Packing` for where each of them lies."""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.threads import kept, run, share


class Gather(NamedTuple):
    """target[i] = numbers[source[i]], and 0 where that is behind their end."""

    numbers: np.ndarray
    source: np.ndarray
    target: np.ndarray


@jit
def _gather(thread, threads, place):
    numbers, source, target = kept(place)
    low, high = share(source.shape[0], thread, threads)
    for i in range(low, high):
        target[i] = numbers[source[i]] if source[i] < numbers.shape[0] else np.float32(0)


class Transform(NamedTuple):
    """U of the weights, see `winograd.transform`; squares: a `Packing`'s."""

    weights: np.ndarray
    squares: np.ndarray


@jit
def _transform(thread, threads, place):
    weights, squares = kept(place)
    for row in range(squares.shape[0]):
        w0, u0, C, J = squares[row]
        winograd.transform(weights, w0, u0, C, J, thread, threads)


def pack(parameters, packing, target):
    """Write the flat parameters [P] to target [packing.size], with U of the convolutions that go by squares."""
    run(_gather, Gather(parameters, packing.source, target))
    run(_transform, Transform(target, packing.squares))


def unpack(packed, place, target):
    """Write the packed numbers to target [P] in the order of the flat parameters; place [P]: `Layout.place`."""
    run(_gather, Gather(packed, place, target))
