"""The calls of a U-Net as its kernels read them: their kinds, their columns, and where all lies in memory."""

from typing import NamedTuple

import numpy as np

# Kinds of calls: `unet._call` says what each does with its images and numbers.
(CONV, STATISTICS, NORM, SILU, JOIN, UPSAMPLE, ATTENTION, CLASS, DROPOUT,
 CONV_WEIGHTS, SPREAD, NORM_BACK, SILU_BACK, PART, UPSAMPLE_BACK, ATTENTION_BACK, CLASS_BACK) = range(17)  # fmt: skip
IMAGES, NUMBERS = 9, 7  # of a call, at most
WINDOW = 3  # which of a CONV's numbers is k; they are those of `conv.forward`, and whether the weights are the turned
NONE = -1  # no image: the last row of the table of images, whose place is -1


class Plan(NamedTuple):
    """A list of calls, ready to run.

    calls : int64 [calls, 1 + IMAGES + NUMBERS]: kind, rows of `images`, numbers
    backward : how many calls come before the backward ones
    images : int64 [images + 1, 5], see `images`
    arena, scratch : float32 numbers that a worker needs
    x, embedding, eps, deps : rows of `images` of what comes in and goes out
    """

    calls: np.ndarray
    backward: int
    images: np.ndarray
    arena: int
    scratch: int
    x: int
    embedding: int
    eps: int
    deps: int


class Side(NamedTuple):
    """Parameters as the kernels read them, forward or on the way back.

    at, squares_at : by name, where a parameter starts, and where a convolution's U for `winograd`
    source : for each number, the flat parameter that it is; behind the last one stands a zero
    squares : int64 [n, 4]: for each U where the weights start, where it starts, channels in and out
    size : numbers in all
    """

    at: dict[str, int]
    squares_at: dict[str, int]
    source: np.ndarray
    squares: np.ndarray
    size: int


class Layout(NamedTuple):
    """Where the parameters lie: the weights, and those of the way back, turned; and where each flat parameter is."""

    weights: Side
    turned: Side
    place: np.ndarray
