"""The weights of a U-Net's convolutions in bfloat16, made from those that the kernels read in float32."""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import bfloat16_conv
from numpy_diffusion.kernels.threads import kept, run


class Panels(NamedTuple):
    """words[words_at...] = the panels weights[at...], rounded, of each row of the table."""

    weights: np.ndarray
    table: np.ndarray  # int64 [n, 5]: at, words_at, channels in and out, k
    words: np.ndarray


@jit
def _round(thread, threads, place):
    weights, table, words = kept(place)
    for row in range(table.shape[0]):
        at, words_at, C, J, k = table[row]
        bfloat16_conv.round_weights(weights, at, words, words_at, C, J, k, thread, threads)


def round_weights(weights, table, words):
    """Write the rounded weights of the table's convolutions to words."""
    run(_round, Panels(weights, table, words))
