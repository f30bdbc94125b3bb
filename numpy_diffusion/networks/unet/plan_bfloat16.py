"""A U-Net's forward pass in bfloat16: the calls of `plan.py`, with convolutions that round in place of the others.

What has to do with many pixels and many channels is rounded, weights and what they are multiplied with; the first and
the last layer, the embedding of the step, norms, softmax and all sums stay in float32, and so do images in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from numpy_diffusion.kernels.layers import bfloat16_attention, bfloat16_conv
from numpy_diffusion.kernels.unet.calls import Call, CallKind

if TYPE_CHECKING:
    from numpy_diffusion.networks.unet.plan import Builder


class Rounded(NamedTuple):
    """A convolution whose weights are rounded: where its panels start, where their words, and what they are."""

    weight: int
    words: int
    inputs: int
    outputs: int
    window: int


class Rounding:
    """The convolutions whose weights are rounded, and the words that these take together."""

    def __init__(self) -> None:
        self.convolutions: list[Rounded] = []
        self.size = 0

    def place(self, weight: int, inputs: int, outputs: int, window: int) -> int:
        """Where the words of a convolution start."""
        at = self.size
        self.convolutions.append(Rounded(weight, at, inputs, outputs, window))
        self.size += bfloat16_conv.words_size(inputs, outputs, window)
        return at

    @property
    def table(self) -> np.ndarray:
        """A row for each convolution, int64 [n, 5]."""
        return np.array(self.convolutions, np.int64).reshape(-1, len(Rounded._fields))


def in_bfloat16(builder: Builder, rounding: Rounding) -> None:
    """Round what the builder's calls multiply, as far as there are kernels for it."""
    calls, words = builder.calls, dict[int, int]()
    builder.calls = []
    for call in calls:
        if call.kind == CallKind.CONV and _suits(builder, call):
            _convolution(builder, call, rounding, words)
        elif call.kind == CallKind.ATTENTION and not call.causal and _fills(builder, call):
            builder.calls.append(call._replace(kind=CallKind.ROUNDED_ATTENTION))
        else:
            builder.calls.append(call)


def _suits(builder: Builder, call: Call) -> bool:
    src, dst = builder.images[call.src], builder.images[call.dst]
    several = dst.height * dst.width > 1 or call.dst in builder.tokens
    return several and bfloat16_conv.suits(src.channels, dst.channels)


def _fills(builder: Builder, call: Call) -> bool:
    return bfloat16_attention.suits(builder.images[call.q].channels, call.heads)


def _convolution(builder: Builder, call: Call, rounding: Rounding, words: dict[int, int]) -> None:
    src, dst = builder.images[call.src], builder.images[call.dst]
    rounded = call._replace(kind=CallKind.ROUNDED_CONV, squares=True)
    if not bfloat16_conv.by_squares(call.window, call.stride, src.channels, dst):
        weight = rounding.place(call.weight, src.channels, dst.channels, call.window)
        rounded = rounded._replace(squares=False, src=_rounded(builder, call.src, words), weight=weight)
    builder.calls.append(rounded)


def _rounded(builder: Builder, image: int, words: dict[int, int]) -> int:
    """The image of words that an image becomes, made once for all that read it."""
    if image not in words:
        _, height, width, channels, border = builder.images[image]
        words[image] = builder.of_tokens(image, builder.image(height, width, channels // 2, border))
        builder.calls.append(Call(CallKind.ROUND, src=image, dst=words[image]))
    return words[image]
