"""Where the prior's kernels find what: its parameters among the packed ones, a few samples' tokens in the arena.

A worker takes a few samples at a time.  The tokens of all of them stand one behind the other in one image a row high,
so that a linear layer goes over them at once; of a text's states only those that are there become tokens.  The
prediction is read off the last token of each sample, which sees all others: so the last block needs their keys and
values alone, and the rest of it is done for the last tokens.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import inline_jit
from numpy_diffusion.kernels.layers import attention, attention_blocks, conv, layer_norm
from numpy_diffusion.kernels.layers.images import IMAGE, NO_IMAGE, NOWHERE, Image, side_by_side
from numpy_diffusion.kernels.vector.registers import LANES, ROWS

TOGETHER = 8  # samples that a worker takes at a time: their tokens stay in the second cache
EXTRA = 4  # tokens behind the states: the text's embedding, the step, the noised embedding, and the last
EPS = 1e-5  # of the norms
WEIGHT, BIAS, TURNED = range(3)  # columns of both tables of parameters


class Part(IntEnum):
    """The rows of a block's table of parameters."""

    NORM1 = 0
    Q = 1
    K = 2
    V = 3
    OUT = 4
    NORM3 = 5
    WIDEN = 6
    NARROW = 7


class End(IntEnum):
    """The rows of the table of all other parameters."""

    STATES = 0
    TEXT = 1
    STEP_1 = 2
    STEP_2 = 3
    NOISED = 4
    LAST = 5  # the norm behind the blocks
    OUT = 6
    PLACES = 7  # the positions
    ASKED = 8  # the last token


class Network(NamedTuple):
    """Sizes, and where the parameters start: as they are packed, and as they are for the way back."""

    width: int  # features of a token
    heads: int
    dim: int  # of the picture's embedding and of a state
    text: int  # of the text's embedding
    step: int  # between the two layers of the step
    places: int  # positions of states
    blocks: np.ndarray  # int64 [blocks, parts, 3]
    ends: np.ndarray  # int64 [ends, 3]


class Block(NamedTuple):
    """A block's images, where each starts behind the block's own start; tokens by features, if nothing is said."""

    h: int  # what comes in
    normed: int
    q: int
    k: int
    v: int
    o: int
    between: int  # behind the attention
    normed3: int
    wide: int  # four times as wide, before GELU and behind it
    active: int


class Places(NamedTuple):
    """Where everything starts in a worker's arena."""

    states: int
    text: int
    sinusoid: int
    step: int  # between its layers, before SiLU and behind it
    active_step: int
    noised: int
    of_states: int  # tokens of the states, and of the three others
    of_text: int
    of_step: int
    of_noised: int
    last_normed: int  # of the last block: the last tokens, behind its first norm and before it
    last_h: int
    last: int  # behind the blocks, behind the norm, and the prediction
    last_out: int
    out: int
    dout: int  # from here on: gradients
    dlast: int
    dh: int
    dfirst: int
    dsecond: int
    dq: int
    dk: int
    dv: int
    do: int
    dwide: int
    dactive: int
    matrices: int
    block: Block  # of the first block
    stride: int  # from a block to the next: 0 where nothing is kept for a way back
    arena: int  # numbers in all
    scratch: int


def places(network, length, training):
    """The places for texts of up to `length` states; with `training` each block keeps its own."""
    W, n, T = network.width, TOGETHER, TOGETHER * (length + EXTRA)
    flat = {
        "states": (T, network.dim),
        "text": (n, network.text),
        "sinusoid": (n, W),
        "step": (n, network.step),
        "active_step": (n, network.step),
        "noised": (n, network.dim),
        "of_states": (T, W),
        **dict.fromkeys(("of_text", "of_step", "of_noised", "last_normed", "last_h", "last", "last_out"), (n, W)),
        **dict.fromkeys(("out", "dout"), (n, network.dim)),
        "dlast": (n, W),
    }
    back = dict.fromkeys(("dh", "dfirst", "dsecond", "dq", "dk", "dv", "do"), (T, W))
    back |= dict.fromkeys(("dwide", "dactive"), (T, max(4 * W, network.step)))
    back["matrices"] = (1, attention.matrices(length + EXTRA, length + EXTRA).end)
    flat |= back if training else dict.fromkeys(back, (0, 0))
    found, end = side_by_side(*((1, rows, columns, 0) for rows, columns in flat.values()))
    one, stride = side_by_side(*((1, T, 4 * W if name in ("wide", "active") else W, 0) for name in Block._fields))
    kept = len(network.blocks) if training else 1
    widest = max(4 * W, network.dim, network.text, network.step)
    return Places(
        **{name: image.at for name, image in zip(flat, found, strict=True)},
        block=Block(*(end + image.at for image in one)),
        stride=stride if training else 0,
        arena=end + kept * stride + 2 * ROWS * widest + 2 * LANES,
        scratch=max(
            conv.scratch_size(widest, widest),
            conv.backward_scratch_size(widest, widest, T),
            layer_norm.scratch_size(W),
            attention_blocks.scratch_size(W // network.heads),
            attention.backward_scratch_size(length + EXTRA, W) if training else 0,
        ),
    )


@inline_jit
def rows(at, count, columns):
    """So many tokens from `at` on, as an image a row high."""
    return Image(at, 1, count, columns, 0)


@inline_jit
def as_table(src, dst, residual):
    """These images as the convolution takes them: a table of one sample, and in its row 0 no image."""
    found = np.empty((1, 4), IMAGE)
    _enter(found, 0, NO_IMAGE)
    _enter(found, 1, src)
    _enter(found, 2, dst)
    _enter(found, 3, residual)
    return found


@inline_jit
def _enter(found, row, image):
    own = found[0, row]
    own["at"], own["height"], own["width"] = image.at, image.height, image.width
    own["channels"], own["border"] = image.channels, image.border


@inline_jit
def linear(row):
    """A linear layer, by its row in a table of parameters."""
    return conv.Window(row[WEIGHT], 0, row[BIAS], 1, 1, 0)


@inline_jit
def turned(row):
    """The same for the way back."""
    return conv.Window(row[TURNED], 0, NOWHERE, 1, 1, 0)


@inline_jit
def norm(row):
    """A layer norm, by its row in a table of parameters."""
    return layer_norm.Norm(row[WEIGHT], row[BIAS], EPS)
