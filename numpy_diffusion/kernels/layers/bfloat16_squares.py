"""The convolution by squares with products in bfloat16: `squares.py` with V and U rounded, two input channels a word.

The maps before and after the products are in float32, and so are the sums.  The weights of which U is made are
rounded too: that adds a hundredth to the error, and half as much is to be fetched from memory.
"""

from numpy_diffusion.kernels._jit import jit, part_jit
from numpy_diffusion.kernels.layers import squares
from numpy_diffusion.kernels.vector.bfloat16 import low_pairs_tile, pairs_tile
from numpy_diffusion.kernels.vector.bfloat16_sandwich import make_rounded_sandwich, make_sandwich_of_pairs
from numpy_diffusion.kernels.vector.registers import VECTOR

NUMBERS = 2  # a word
to_patch = make_rounded_sandwich(VECTOR, *squares.B_TRANSPOSED)
to_weights = make_sandwich_of_pairs(VECTOR, *squares.G)


def scratch_size(C):
    """Numbers of scratch that a convolution of C input channels needs."""
    return squares.scratch_size(C, NUMBERS)


@part_jit
def forward(worker, tables, src, dst, words, window, starts, at, residual):
    """What `squares.forward` does, rounded; words : the weights, as `bfloat16_conv.round_weights` makes them."""
    squares.convolve(worker, tables, src, dst, words, window, starts, at, residual, NUMBERS, _patch, _products)


@jit
def _patch(arena, src, shift, y, x, scratch, place, rows, at):
    squares.patch_in_words(arena, src, shift, y, x, scratch, place, rows, at, NUMBERS, to_patch)


@jit
def _products(words, w0, pairs, scratch, place, rows, count):
    squares.products_of_words(words, w0, pairs, scratch, place, rows, count, to_weights, pairs_tile, low_pairs_tile)
