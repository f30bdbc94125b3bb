"""The calls of a U-Net as its kernels read them, and where its images lie in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.layers.images import NOWHERE

NONE = 0  # the row of every table of images that stands for no image: `images.NO_IMAGE`


class CallKind(IntEnum):
    """What a call does: `dispatch.forward` and `dispatch.backward` say with which of its images and numbers."""

    CONV = 0
    STATISTICS = 1  # of a group norm
    NORM = 2
    SILU = 3  # of a vector; behind a norm it is the norm's
    CONCAT = 4  # one of the images that are joined
    UPSAMPLE = 5
    AVERAGE = 6  # of 2 x 2 pixels
    ATTENTION = 7
    CLASS = 8  # the embedding of the sample's label
    DROPOUT = 9  # there and back
    CONV_WEIGHTS = 10  # the gradient by the weights; that by the input is a CONV
    CONV_BIAS = 11  # the gradient by the bias, and by the vector
    DILATE = 12  # zeros between the pixels, before the CONV that goes back through a stride of 2
    NORM_BACK = 13
    SILU_BACK = 14
    SLICE = 15  # channels of an image, the way back through a CONCAT; with all channels, a copy or a sum
    UPSAMPLE_BACK = 16
    AVERAGE_BACK = 17
    ATTENTION_BACK = 18
    CLASS_BACK = 19
    LAYER_NORM = 20  # from here on: what only a network that attends to states has, see `dispatch.transformer`
    LAYER_NORM_BACK = 21
    GEGLU = 22
    GEGLU_BACK = 23
    PIXELS = 24  # an image's pixels as some of another's, from the number `channel` on
    PIXELS_BACK = 25
    SAMPLE = 26  # what only an autoencoder has, see `dispatch.bottleneck`: z of its moments
    SAMPLE_BACK = 27
    QUICK_GELU = 28  # what only CLIP's encoders have, see `dispatch.encoder`
    QUICK_GELU_BACK = 29
    LAST = 30  # the last pixel of an image
    LAST_BACK = 31
    ROUND = 32  # what only a plan in bfloat16 has, see `dispatch.rounded`: an image of words
    ROUNDED_CONV = 33
    ROUNDED_ATTENTION = 34
    ROUNDED_CONV_WEIGHTS = 35  # see `dispatch.rounded_back`


CONVOLUTIONS = (CallKind.CONV, CallKind.ROUNDED_CONV)  # there, and back to the input
BY_WEIGHTS = (CallKind.CONV_WEIGHTS, CallKind.ROUNDED_CONV_WEIGHTS)


class Call(NamedTuple):
    """One call: its kind, the rows of its images in the table of images, and its numbers.

    A kind uses the fields that it needs; the others stay as they are here.
    """

    kind: int
    # images, the fields of IMAGES
    src: int = NONE
    dst: int = NONE
    dy: int = NONE  # the gradient by what the forward call gave
    dx: int = NONE  # the gradient by src
    vector: int = NONE  # of a convolution: one number a channel, added to all pixels; of a norm: a scale and a shift
    dvector: int = NONE  # of a norm: the gradient by them
    residual: int = NONE  # of a convolution: an image that is added
    stats: int = NONE  # of a norm: mean and 1 / deviation of each group
    q: int = NONE
    k: int = NONE
    v: int = NONE
    o: int = NONE
    dq: int = NONE
    dk: int = NONE
    dv: int = NONE
    do: int = NONE
    matrices: int = NONE  # of an attention's gradient
    # numbers
    weight: int = NOWHERE  # where the weights start, see `layout`; of a ROUNDED_CONV among the words
    squares: bool = False  # of a CONV_WEIGHTS or ROUNDED_CONV: whether it goes by squares of pixels
    bias: int = NOWHERE
    window: int = 0  # k of a convolution of k x k pixels
    stride: int = 0
    shift: int = 0  # of a convolution: see `conv.Window`; of a DILATE, the first pixel's row and column
    turned: bool = False  # whether the weights are those of the way back
    groups: int = 0
    eps: float = 0.0  # of a norm
    factor: float = 0.0  # of a SAMPLE: what its divergence counts in the loss, and back, in the mean of a batch
    silu: bool = False  # of a norm: whether SiLU follows
    heads: int = 0
    causal: bool = False  # of an attention: whether a pixel sees those up to its own alone
    channel: int = 0  # the first, of a CONCAT or SLICE; of PIXELS, the first number
    add: bool = False  # whether the result is added to what stands there
    number: int = 0  # which dropout of the network it is


IMAGES = Call._fields[Call._fields.index("src") : Call._fields.index("matrices") + 1]  # the fields that name images
CALL = np.dtype([(name, np.float64 if name in ("eps", "factor") else np.int64) for name in Call._fields])


class Rounded(NamedTuple):
    """A convolution whose weights are rounded: where its panels start, where their words, and what they are."""

    weight: int
    words: int
    inputs: int
    outputs: int
    window: int
    turned: bool  # whether they are those of the way back


@dataclass(frozen=True, eq=False)
class Plan:
    """A list of calls, ready to run; an unknown kind of call is refused when the plan is made.

    calls : CALL [calls]
    backward : how many calls come before the backward ones
    images : `images.IMAGE` [images], row NONE no image
    arena, scratch : float32 numbers that a worker needs
    x, embedding, eps, deps : rows of `images` of what comes in and goes out
    told : the row of a vector that the network is told; NONE where there is none
    states : the row of the states that it attends to
    dtold, dstates : rows of the gradients by what it is told; NONE where nobody asks
    tokens : rows of the images that are as wide as there are states, which is another number for each sample, and how
        many pixels each of them has besides [rows, 2]
    penalty : the row of a number that is added to a sample's loss; NONE where there is none
    rounding : a `Rounded` for each convolution that reads rounded weights, and words, how many these are; none but in
        bfloat16
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
    told: int
    states: int
    dtold: int
    dstates: int
    tokens: np.ndarray
    penalty: int = NONE
    rounding: np.ndarray = field(default_factory=lambda: np.zeros((0, len(Rounded._fields)), np.int64))
    words: int = 0

    def __post_init__(self) -> None:
        for kind in self.calls["kind"]:
            if kind not in set(CallKind):
                raise ValueError(f"calls: expected kinds from 0 to {max(CallKind)}, see CallKind, got {kind}")


class Piece(NamedTuple):
    """A parameter, flat and packed."""

    flat: int  # where it starts
    at: int  # where it starts when packed
    outputs: int  # J of [J, C, k, k]; all its numbers where it stays as it is
    inputs: int  # C
    taps: int  # k * k; 0: it stays as it is


PIECE = np.dtype([(name, np.int64) for name in Piece._fields])


class Packing(NamedTuple):
    """How parameters are packed for the kernels, for one of the two ways through the network.

    at : by name, where a parameter starts
    pieces : PIECE [n], those that stay as they are before the others
    turned : whether matrices are those of the windows turned by half a turn, see `conv.turned`
    plain : packed numbers of those that stay as they are
    count : packed numbers
    size : the same, filled up to whole registers
    """

    at: dict[str, int]
    pieces: np.ndarray
    turned: bool
    plain: int
    count: int
    size: int

    def read_from(self, starts: Mapping[str, int]) -> Packing:
        """The same of flat parameters that start elsewhere, each by its name."""
        pieces = self.pieces.copy()
        pieces["flat"] = [starts[name] for name in self.at]
        return self._replace(pieces=pieces)


class Layout(NamedTuple):
    """Where the parameters lie for the kernels.

    weights : the packing for the forward pass, and for the gradients by the parameters
    turned : the packing for the gradients by the inputs, the convolutions' windows turned by half a turn
    count : flat parameters in all
    """

    weights: Packing
    turned: Packing
    count: int
