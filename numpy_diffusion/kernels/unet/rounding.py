"""The weights of a U-Net's convolutions in bfloat16, made from those that the kernels read in float32."""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.layers import bfloat16_conv
from numpy_diffusion.kernels.threads import kept, run


class Panels(NamedTuple):
    """words[row.words...] = the panels weights[row.weight...], rounded, of each row of the table."""

    weights: np.ndarray
    turned: np.ndarray  # those of the way back
    table: np.ndarray  # int64 [n, 6], a `calls.Rounded` each
    words: np.ndarray


@jit
def _round(thread, threads, place):
    weights, turned, table, words = kept(place)
    for row in range(table.shape[0]):
        at, words_at, C, J, k, back = table[row]
        panels = turned if back else weights
        bfloat16_conv.round_weights(panels, at, words, words_at, C, J, k, thread, threads)


def round_weights(weights, table, words, turned=None):
    """Write the rounded weights of the table's convolutions to words; `turned`: the weights of the way back."""
    run(_round, Panels(weights, weights if turned is None else turned, table, words))
