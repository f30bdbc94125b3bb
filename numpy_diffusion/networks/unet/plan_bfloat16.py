"""A U-Net's calls in bfloat16: those of `plan.py`, with convolutions that round in place of the others.

What has to do with many pixels and many channels is rounded, weights and what they are multiplied with: x and W on
the way there, dy and W on the way back to x, x and dy for the gradient by W.  The first and the last layer, the
embedding of the step, norms, softmax and all sums stay in float32, and so do images in memory, the gradients by
weights and biases, and the way back through an attention, which is made of q, k and v as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from numpy_diffusion.kernels.layers import bfloat16_attention, bfloat16_conv
from numpy_diffusion.kernels.unet.calls import Call, CallKind, Rounded

if TYPE_CHECKING:
    from numpy_diffusion.networks.unet.plan import Builder

# Fields with what a call writes, but for vectors and what is written once: it may have been rounded before.
WRITTEN: Final = ("dst", "dx", "dq", "dk", "dv")


class Rounding:
    """The convolutions whose weights are rounded, and the words that these take together."""

    def __init__(self) -> None:
        self.convolutions: list[Rounded] = []
        self.size = 0

    def place(self, call: Call, inputs: int, outputs: int) -> int:
        """Where the words of a convolution start."""
        at = self.size
        self.convolutions.append(Rounded(call.weight, at, inputs, outputs, call.window, call.turned))
        self.size += bfloat16_conv.words_size(inputs, outputs, call.window)
        return at

    @property
    def table(self) -> np.ndarray:
        """A row for each convolution, int64 [n, 6]."""
        return np.array(self.convolutions, np.int64).reshape(-1, len(Rounded._fields))


def in_bfloat16(builder: Builder, calls: list[Call], rounding: Rounding) -> list[Call]:
    """The calls that stand for these and round what they multiply, as far as there are kernels for it."""
    found, words = list[Call](), dict[int, int]()
    for call in calls:
        if call.kind == CallKind.CONV and _suits(builder, call.src, call.dst):
            found += _convolution(builder, call, rounding, words)
        elif call.kind == CallKind.CONV_WEIGHTS and _suits(builder, call.src, call.dy):
            found.append(call._replace(kind=CallKind.ROUNDED_CONV_WEIGHTS))
        elif call.kind == CallKind.ATTENTION and not call.causal and _fills(builder, call):
            found.append(call._replace(kind=CallKind.ROUNDED_ATTENTION))
        else:
            found.append(call)
        for name in WRITTEN:
            words.pop(getattr(call, name), None)
    return found


def _suits(builder: Builder, src: int, dst: int) -> bool:
    _, height, width, channels, _ = builder.images[dst]
    several = height * width > 1 or dst in builder.tokens
    return several and bfloat16_conv.suits(builder.images[src].channels, channels)


def _fills(builder: Builder, call: Call) -> bool:
    return bfloat16_attention.suits(builder.images[call.q].channels, call.heads)


def _convolution(builder: Builder, call: Call, rounding: Rounding, words: dict[int, int]) -> list[Call]:
    """A convolution's calls.  By squares it reads an image, else words of it, made once for all that read them."""
    image, dst, before = builder.images[call.src], builder.images[call.dst], list[Call]()
    weight = rounding.place(call, image.channels, dst.channels)
    squares, src = bfloat16_conv.by_squares(call.window, call.stride, image.channels, dst), call.src
    if not squares:
        if src not in words:
            _, height, width, channels, border = image
            words[src] = builder.of_tokens(src, builder.image(height, width, channels // 2, border))
            before.append(Call(CallKind.ROUND, src=src, dst=words[src]))
        src = words[src]
    return [*before, call._replace(kind=CallKind.ROUNDED_CONV, src=src, weight=weight, squares=squares)]
