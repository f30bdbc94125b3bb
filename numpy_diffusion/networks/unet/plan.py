"""A U-Net as a table of kernel calls, forward and backward, with a place in memory for all that they read and write.

`networks/unet_program.py` says what the network does, resnet by resnet; here each becomes its convolutions and norms,
and each of those remembers how its gradient goes.  An image has its place in the arena from the call that writes it
first to the call that touches it last; another then takes the room.  In a forward pass that is nearly at once, in a
training step only after the backward call, and the same list serves both.
"""

from collections.abc import Callable
from typing import Any, assert_never

import numpy as np

from numpy_diffusion.kernels.layers import attention, conv, group_norm, winograd
from numpy_diffusion.kernels.layers.images import AT, size
from numpy_diffusion.kernels.memory import round_up
from numpy_diffusion.kernels.unet.calls import (
    ATTENTION,
    ATTENTION_BACK,
    CLASS,
    CLASS_BACK,
    CONV,
    CONV_WEIGHTS,
    DROPOUT,
    IMAGES,
    JOIN,
    NONE,
    NORM,
    NORM_BACK,
    NUMBERS,
    PART,
    SILU,
    SILU_BACK,
    SPREAD,
    STATISTICS,
    UPSAMPLE,
    UPSAMPLE_BACK,
    Layout,
    Plan,
    Side,
)
from numpy_diffusion.kernels.vector.registers import LANES, ROWS

FEWEST = 64  # pixels for which Winograd's convolution is the faster


def layout(shapes):
    """The layout of parameters with these shapes, which lie flat in this order."""
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    straight, turned, start = {}, {}, 0
    for name, shape in shapes.items():
        numbers = start + np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
        if len(shape) > 1 and name != "class_embedding.weight":
            numbers = numbers.reshape(*shape[:2], *(shape[2:] or (1, 1)))
            turned[name] = conv.turned(numbers, count)
            numbers = conv.panels(numbers, count)
        straight[name] = numbers.ravel()
        start += int(np.prod(shape))
    windows = {name: shape[1::-1] for name, shape in shapes.items() if shape[2:] == (3, 3)}
    weights = _side(straight, windows)
    inside, place = np.flatnonzero(weights.source < count), np.empty(count, np.int32)
    place[weights.source[inside]] = inside
    return Layout(weights, _side(turned, {name: channels[::-1] for name, channels in windows.items()}), place)


def _side(parts, windows):
    """The parts one behind the other, and behind them U of those whose `windows` of 3 x 3 have suitable channels."""
    ends = np.cumsum([len(part) for part in parts.values()])
    at = dict(zip(parts, [0, *ends[:-1].tolist()], strict=True))
    squares, squares_at, size = [], {}, round_up(int(ends[-1]), LANES)
    for name, (C, J) in windows.items():
        if winograd.suits(C, J):
            squares_at[name] = size
            squares.append((at[name], size, C, J))
            size += winograd.PATCH * C * J
    return Side(at, squares_at, np.concatenate([*parts.values()]), np.array(squares, np.int64).reshape(-1, 4), size)


def plan(program, config, layout, heads, embedding, training):
    """The calls of a forward pass; with `training`, of the backward pass behind it.

    heads : how many an attention with so many channels has;  embedding : numbers of the time embedding's layers
    """
    builder = _Builder(config, layout, heads, training)
    height, width = np.broadcast_to(config.sample_size, 2)
    x = builder.image(int(height), int(width), config.in_channels, 1)
    first = builder.vector(config.block_out_channels[0])
    temb = builder.time(first, embedding, config.num_class_embeds is not None)
    h, skips = x, []
    for number, op in enumerate(program):
        if op.kind == "save":
            skips.append(h)
        elif op.kind == "concat":
            h = builder.concat(h, skips.pop())
        elif op.kind == "resnet":
            h = builder.resnet(op.name, h, temb, op.outputs, number)
        elif op.kind == "attention":
            h = builder.attention(op.name, h)
        elif op.kind == "downsample":
            h = builder.conv(op.name, h, op.outputs, stride=2, pad=config.downsample_padding)
        elif op.kind == "upsample":
            h = builder.conv(op.name, builder.upsample(h), op.outputs)
        elif op.kind == "conv_in":
            h = builder.conv(op.name, h, op.outputs)
        elif op.kind == "conv_out":
            h = builder.conv(op.name, builder.norm("conv_norm_out", h, border=1, silu=True), op.outputs)
        else:
            assert_never(op.kind)
    backward, deps = len(builder.calls), NONE
    if training:
        deps, _ = builder.gradient(h)
        builder.gradients[x] = builder.gradients[first] = NONE  # nobody asks for those
        for step in reversed(builder.tape):
            step()
    keep = [x, first, h] + ([deps] if training else [])
    images, arena = builder.placed(keep)
    calls = np.array(builder.calls, np.int64)
    return Plan(calls, backward, images, arena, builder.scratch(), x, first, h, deps)


class _Builder:
    """Calls as they are written down, and `tape`, the way back, whose entries write down more when called."""

    def __init__(self, config: dict[str, Any], layout: Layout, heads: Callable[[dict, int], int], training: bool):
        self.config, self.layout, self.heads, self.training = config, layout, heads, training
        self.images: list[tuple[int, int, int, int]] = []
        self.calls: list[list[int]] = []
        self.tape: list[Callable[[], None]] = []
        self.gradients: dict[int, int] = {}

    def image(self, height, width, channels, border):
        self.images.append((height, width, channels, border))
        return len(self.images) - 1

    def vector(self, length):
        return self.image(1, 1, length, 0)

    def call(self, kind, images, *numbers):
        row = [kind, *images, *[NONE] * (IMAGES - len(images)), *map(int, numbers)]
        self.calls.append(row + [0] * (1 + IMAGES + NUMBERS - len(row)))

    def gradient(self, image):
        """The gradient by an image, and whether there is something in it to add to."""
        add = image in self.gradients
        if not add:
            self.gradients[image] = self.image(*self.images[image])
        return self.gradients[image], add

    def conv(self, name, src, outputs, *, k=3, stride=1, pad=1, vector=NONE, residual=NONE, border=1):
        height, width, _, around = self.images[src]
        dst = self.image(height // stride, width // stride, outputs, border)
        side, weight = self.layout.weights, f"{name}.weight"
        squares = self.squares(side, weight, dst, stride)
        shift, bias = around if k == 1 else 1 - pad, side.at[f"{name}.bias"]
        self.call(CONV, [src, dst, vector, residual], side.at[weight], squares, bias, k, stride, shift, False)
        self.tape.append(lambda: self.conv_back(name, src, dst, vector, residual, k, stride, pad, shift))
        return dst

    def squares(self, side, weight, dst, stride):
        """Where U of the weights is, if whole squares of pixels go through, and enough to be worth its size."""
        height, width, _, _ = self.images[dst]
        whole = stride == 1 and height % 2 == width % 2 == 0 and height * width >= FEWEST
        return side.squares_at.get(weight, NONE) if whole else NONE

    def conv_back(self, name, src, dst, vector, residual, k, stride, pad, shift):
        dy, dvector = self.gradients[dst], NONE if vector == NONE else self.gradient(vector)[0]
        at, weight = self.layout.weights.at, f"{name}.weight"
        squares = self.squares(self.layout.weights, weight, dst, stride) != NONE
        self.call(CONV_WEIGHTS, [src, dy, dvector], at[weight], at[f"{name}.bias"], k, stride, shift, squares)
        if self.gradients.get(src) != NONE:
            dx, add = self.gradient(src)
            to = self.image(*self.images[src]) if add else dx
            spread = dy
            if stride == 2:
                height, width, _, _ = self.images[src]
                spread = self.image(height, width, self.images[dy][2], 1)
                self.call(SPREAD, [dy, spread], 1 - pad)
            turned, shift = self.layout.turned, self.images[spread][3] if k == 1 else 0
            squares = self.squares(turned, weight, to, 1)
            self.call(CONV, [spread, to], turned.at[weight], squares, NONE, k, 1, shift, True)
            if add:
                self.call(PART, [to, dx], 0, True)
        if residual != NONE and residual not in self.gradients:
            self.gradients[residual] = dy  # this was the last use of dy, so what is added to it later harms nobody
        elif residual != NONE:
            self.call(PART, [dy, self.gradients[residual]], 0, True)

    def norm(self, name, src, *, border, silu):
        height, width, channels, _ = self.images[src]
        groups = self.config.norm_num_groups
        weight, bias = self.layout.weights.at[f"{name}.weight"], self.layout.weights.at[f"{name}.bias"]
        dst, stats = self.image(height, width, channels, border), self.vector(2 * groups)
        self.call(STATISTICS, [src, stats], groups)
        self.call(NORM, [src, dst, stats], weight, bias, groups, silu)

        def back():
            dx, add = self.gradient(src)
            self.call(NORM_BACK, [src, self.gradients[dst], dx, stats], weight, bias, groups, silu, add)

        self.tape.append(back)
        return dst

    def silu(self, src):
        dst = self.vector(self.images[src][2])
        self.call(SILU, [src, dst])

        def back():
            dx, add = self.gradient(src)
            self.call(SILU_BACK, [src, self.gradients[dst], dx], add)

        self.tape.append(back)
        return dst

    def time(self, first, embedding, classes):
        """SiLU of the embedded step, which every resnet reads."""
        h = self.conv("time_embedding.linear_1", first, embedding, k=1, border=0)
        label = NONE
        if classes:
            label, weight = self.vector(embedding), self.layout.weights.at["class_embedding.weight"]
            self.call(CLASS, [label], weight)
            self.tape.append(lambda: self.call(CLASS_BACK, [self.gradients[label]], weight))
        return self.silu(self.conv("time_embedding.linear_2", self.silu(h), embedding, k=1, residual=label, border=0))

    def resnet(self, name, h, temb, outputs, number):
        shortcut = h
        bias = self.conv(f"{name}.time_emb_proj", temb, outputs, k=1, border=0)
        first = self.norm(f"{name}.norm1", h, border=1, silu=True)
        between = self.conv(f"{name}.conv1", first, outputs, vector=bias)
        second = self.dropout(self.norm(f"{name}.norm2", between, border=1, silu=True), number)
        if self.images[h][2] != outputs:
            shortcut = self.conv(f"{name}.conv_shortcut", h, outputs, k=1)
        return self.conv(f"{name}.conv2", second, outputs, residual=shortcut)

    def dropout(self, src, number):
        if not (self.training and self.config.dropout):
            return src
        dst = self.image(*self.images[src])
        self.call(DROPOUT, [src, dst], number)

        def back():
            self.call(DROPOUT, [self.gradients[dst], self.gradient(src)[0]], number)

        self.tape.append(back)
        return dst

    def attention(self, name, h):
        height, width, channels, _ = self.images[h]
        heads = self.heads(self.config, channels)
        normed = self.norm(f"{name}.group_norm", h, border=0, silu=False)
        q, k, v = (self.conv(f"{name}.{part}", normed, channels, k=1, border=0) for part in ("to_q", "to_k", "to_v"))
        mixed = self.image(height, width, channels, 0)
        self.call(ATTENTION, [q, k, v, mixed], heads)

        def back():
            slopes = [self.gradient(part)[0] for part in (q, k, v)]
            matrices = self.vector(attention.matrices(height * width))
            images = [q, k, v, mixed, self.gradients[mixed], *slopes, matrices]
            self.call(ATTENTION_BACK, images, heads)

        self.tape.append(back)
        return self.conv(f"{name}.to_out.0", mixed, channels, k=1, residual=h)

    def upsample(self, src):
        height, width, channels, _ = self.images[src]
        dst = self.image(2 * height, 2 * width, channels, 1)
        self.call(UPSAMPLE, [src, dst])

        def back():
            dx, add = self.gradient(src)
            self.call(UPSAMPLE_BACK, [self.gradients[dst], dx], add)

        self.tape.append(back)
        return dst

    def concat(self, h, skip):
        height, width, channels, border = self.images[h]
        dst = self.image(height, width, channels + self.images[skip][2], border)
        parts = ((h, 0), (skip, channels))
        for src, channel in parts:
            self.call(JOIN, [src, dst], channel)

        def back():
            for src, channel in parts:
                dx, add = self.gradient(src)
                self.call(PART, [self.gradients[dst], dx], channel, add)

        self.tape.append(back)
        return dst

    def placed(self, keep):
        """The table of images with their places, and the numbers they need; those of `keep` never give theirs up."""
        table = np.zeros((len(self.images) + 1, 5), np.int64)
        table[:-1, AT + 1 :], table[NONE, AT] = self.images, NONE
        used: dict[int, list[int]] = {image: [0, len(self.calls)] for image in keep}
        for number, (_, *columns) in enumerate(self.calls):
            for image in columns[:IMAGES]:
                if image != NONE and image not in keep:
                    used.setdefault(image, [number, number])[1] = number
        taken: list[tuple[int, int, int]] = []  # first number, behind the last, last call
        total = 0
        for image, (first, last) in sorted(used.items(), key=lambda item: item[1][0]):
            taken = sorted(place for place in taken if place[2] >= first)
            length, at = round_up(size(*self.images[image]), 16), 0
            for low, high, _ in taken:
                if low - at >= length:
                    break
                at = max(at, high)
            table[image, AT] = at
            taken.append((at, at + length, last))
            total = max(total, at + length)
        return table, total + 2 * ROWS * self.widest() + 2 * LANES

    def widest(self):
        """The most channels that a convolution or norm meets."""
        return max(self.images[image][2] for kind, *row in self.calls if kind in (CONV, NORM) for image in row[:2])

    def scratch(self):
        """What the kernels need besides a tile and a start for each channel: the most of what each call asks for."""
        needs = [2 * ROWS * LANES]
        for kind, src, other, *_ in self.calls:
            height, width, channels, _ = self.images[src]
            if kind in (CONV, CONV_WEIGHTS):
                needs += [winograd.room(channels), self.images[other][1] * self.images[other][2]]
            elif kind == NORM:
                needs.append(group_norm.room(width, channels))
            elif kind == ATTENTION:
                needs.append(attention.room(height * width, channels))
        return ROWS * LANES + round_up(self.widest(), LANES) + max(needs)
