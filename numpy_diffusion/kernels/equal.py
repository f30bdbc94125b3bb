"""Whether two arrays are the same to the bit, by all threads: as fast as memory is read."""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.threads import kept, run, share

BLOCK = 4096  # numbers after which a thread looks whether it has seen a difference


class Pair(NamedTuple):
    """Two arrays of words, and for each BLOCK whether it differs, which comes out."""

    one: np.ndarray
    other: np.ndarray
    different: np.ndarray


@jit
def _compare(thread, threads, place):
    one, other, different = kept(place)
    low, high = share(different.shape[0], thread, threads)
    for block in range(low, high):
        first, last, bits = block * BLOCK, (block + 1) * BLOCK, np.int32(0)
        a, b = one[first:last], other[first:last]
        for i in range(a.shape[0]):
            bits |= a[i] ^ b[i]
        if bits != 0:
            different[block] = True
            return


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two contiguous arrays of one type have the same shape and bits; unlike in NumPy a NaN is as itself.

    Examples
    --------
    >>> equal(np.float32([0, 1]), np.float32([0, 1])), equal(np.float32([0, 1]), np.float32([0, 2]))
    (True, False)
    """
    if one.shape != other.shape:
        return False
    words = one.reshape(-1).view(np.int32), other.reshape(-1).view(np.int32)
    different = np.zeros(round_up(len(words[0]), BLOCK) // BLOCK, np.bool_)
    run(_compare, Pair(*words, different))
    return not different.any()
