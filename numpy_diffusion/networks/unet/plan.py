"""A U-Net as a list of kernel calls, forward and backward.

`program.py` says what the network does, resnet by resnet; here each becomes its convolutions and norms, and each of
those remembers how its gradient goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from numpy_diffusion.kernels.layers import winograd
from numpy_diffusion.kernels.layers.images import NO_IMAGE, NOWHERE, Image
from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind, Layout, Plan
from numpy_diffusion.networks.unet import placement
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.plan_bfloat16 import Rounding, in_bfloat16
from numpy_diffusion.networks.unet.plan_embedding import embed
from numpy_diffusion.networks.unet.plan_resnet import resnet
from numpy_diffusion.networks.unet.plan_transformer import added_attention, attention, transformer
from numpy_diffusion.networks.unet.program import Op, norm_out, told_size, unknown

FEWEST = 16  # pixels of an image for which a gradient by weights is the faster by squares


def plan(
    program: list[Op],
    config: Config,
    layout: Layout,
    training: bool,
    tokens: int = 0,
    of_told: bool = False,
    rounding: Rounding | None = None,
) -> Plan:
    """The calls of a forward pass; with `training`, of the backward pass behind it.

    Parameters
    ----------
    program : the network's operations
    layout : where its parameters lie
    tokens : how many states a sample may be told, of a network that attends to them
    of_told : whether the backward pass gives the gradients by them and by the embedding that is told, too
    rounding : given for products in bfloat16, and told of the weights

    Raises
    ------
    ValueError : an operation of an unknown kind
    """
    builder = Builder(config, layout, training)
    x = builder.image(*config.image_size, config.in_channels, border=1)
    embedding = builder.vector(config.block_out_channels[0])
    told = builder.vector(told_size(config)) if told_size(config) else NONE
    states = builder.states(tokens, config.cross_attention_dim) if config.cross_attention_dim else NONE
    eps = builder.network(program, x, embed(builder, embedding, told), states)
    ends = dict(x=x, embedding=embedding, eps=eps, told=told, states=states)
    there, builder.calls = builder.calls, []
    if training:
        ends["deps"] = builder.back(eps, x, embedding, *(() if of_told else (told, states)))
        ends |= {f"d{name}": builder.gradients.get(ends[name], NONE) for name in ("told", "states")}
    back = builder.calls
    if rounding is not None:
        there, back = (in_bfloat16(builder, calls, rounding) for calls in (there, back))
    found = placement.plan(builder.images, there + back, len(there), builder.tokens, **ends)
    return found if rounding is None else replace(found, rounding=rounding.table, words=rounding.size)


class Builder:
    """Calls as they are written down, and the `tape`: what writes down the calls of the way back, in forward order.

    An image is known by its row in `images`.  Each method writes down a piece of the network and gives back the image
    with its result.  `gradients` holds, by image, the image of the gradient by it, as far as the way back has come.
    """

    def __init__(self, config: Config, layout: Layout, training: bool) -> None:
        self.config, self.layout, self.training = config, layout, training
        self.images: list[Image] = [NO_IMAGE]
        self.calls: list[Call] = []
        self.tape: list[Callable[[], None]] = []
        self.gradients: dict[int, int] = {}
        self.tokens: dict[int, int] = {}  # the images with a pixel for each state, and how many others they have

    def back(self, outputs: int, *unasked: int) -> int:
        """Write down the way back from the outputs, to all but the images that nobody asks the gradient by.

        Gives the image of the gradient by the outputs, with which it begins.
        """
        begin, _ = self.gradient(outputs)
        self.gradients |= dict.fromkeys(unasked, NONE)
        for step in reversed(self.tape):
            step()
        return begin

    def image(self, height: int, width: int, channels: int, border: int) -> int:
        """A new image, which has no place yet."""
        self.images.append(Image(NOWHERE, height, width, channels, border))
        return len(self.images) - 1

    def like(self, image: int) -> int:
        """A new image of the same size."""
        self.images.append(self.images[image])
        return self.of_tokens(image, len(self.images) - 1)

    def of_tokens(self, image: int, other: int) -> int:
        """The other image, which has a pixel for each state where the first has."""
        if image in self.tokens:
            self.tokens[other] = self.tokens[image]
        return other

    def states(self, tokens: int, size: int) -> int:
        """The states that are attended to: an image one pixel high."""
        found = self.image(1, tokens, size, border=0)
        self.tokens[found] = 0
        return found

    def vector(self, length: int) -> int:
        return self.image(1, 1, length, border=0)

    def gradient(self, image: int) -> tuple[int, bool]:
        """The gradient by an image, and whether there is something in it to add to."""
        add = image in self.gradients
        if not add:
            self.gradients[image] = self.like(image)
        return self.gradients[image], add

    def network(self, program: list[Op], h: int, temb: int, states: int) -> int:
        """The whole program, from h on; temb is NONE in a network that is not told steps."""
        skips: list[int] = []
        for number, op in enumerate(program):
            match op.kind:
                case "save":
                    skips.append(h)
                case "concat":
                    h = self.concat(h, skips.pop())
                case "resnet" | "resnet_down" | "resnet_up":
                    h = resnet(self, op, h, temb, number)
                case "attention":
                    h = attention(self, op, h)
                case "added_attention":
                    h = added_attention(self, op, h, states)
                case "transformer":
                    h = transformer(self, op, h, states)
                case "downsample":
                    h = self.conv(op.name, h, op.outputs, stride=2, pad=self.config.downsample_padding)
                case "upsample":
                    h = self.conv(op.name, self.upsample(h), op.outputs)
                case "pointwise":
                    h = self.conv(op.name, h, op.outputs, k=1)
                case "conv_in":
                    h = self.conv(op.name, h, op.outputs)
                case "conv_out":
                    h = self.conv(op.name, self.norm(norm_out(op), h, border=1, silu=True), op.outputs)
                case _:
                    unknown(op.kind)
        return h

    def conv(
        self,
        name: str,
        src: int,
        outputs: int,
        *,
        k: int = 3,
        stride: int = 1,
        pad: int = 1,
        vector: int = NONE,
        residual: int = NONE,
        border: int = 1,
    ) -> int:
        """A convolution of k x k pixels, with what is added to it; a linear layer is one of 1 x 1."""
        height, width, _, around = self.images[src][1:]
        dst = self.of_tokens(src, self.image(height // stride, width // stride, outputs, border))
        weights = self.layout.weights
        forward = Call(
            CallKind.CONV,
            src=src,
            dst=dst,
            vector=vector,
            residual=residual,
            weight=weights.at[f"{name}.weight"],
            bias=weights.at.get(f"{name}.bias", NOWHERE),
            window=k,
            stride=stride,
            shift=around if k == 1 else 1 - pad,
        )
        self.calls.append(forward)

        def back() -> None:
            dy, dvector = self.gradients[dst], NONE if vector == NONE else self.gradient(vector)[0]
            by_weights = forward._replace(kind=CallKind.CONV_WEIGHTS, dst=NONE, dy=dy, vector=NONE, residual=NONE)
            self.calls.append(by_weights._replace(squares=self.by_squares(src, dst, k, stride)))
            if forward.bias != NOWHERE or dvector != NONE:
                by_bias = Call(CallKind.CONV_BIAS, dy=dy, vector=dvector, bias=forward.bias)
                self.calls.append(by_bias)
            if self.gradients.get(src) != NONE:
                self.conv_back(f"{name}.weight", src, dy, k, stride, pad)
            if residual != NONE and self.gradients.get(residual) != NONE:
                self.residual_back(residual, dy)

        self.tape.append(back)
        return dst

    def by_squares(self, src: int, dst: int, k: int, stride: int) -> bool:
        """Whether `winograd` serves: whole squares of pixels, channels that fill registers, and enough of both."""
        _, height, width, channels, _ = self.images[dst]
        whole = (k, stride) == (3, 1) and height % 2 == width % 2 == 0 and height * width >= FEWEST
        return whole and winograd.suits(self.images[src].channels, channels)

    def conv_back(self, weight: str, src: int, dy: int, k: int, stride: int, pad: int) -> None:
        """The gradient by a convolution's input: a convolution of dy with the turned weights."""
        dx, add = self.gradient(src)
        to = self.like(src) if add else dx  # a convolution writes; what is there already is added afterwards
        if stride == 2:
            _, height, width, _, _ = self.images[src]
            dilated = self.image(height, width, self.images[dy].channels, border=1)
            self.calls.append(Call(CallKind.DILATE, src=dy, dst=dilated, shift=1 - pad))
            dy = dilated
        turned, shift = self.layout.turned, self.images[dy].border if k == 1 else 0
        call = Call(CallKind.CONV, src=dy, dst=to, weight=turned.at[weight], window=k, stride=1, shift=shift)
        self.calls.append(call._replace(turned=True))
        if add:
            self.calls.append(Call(CallKind.SLICE, src=to, dst=dx, add=True))

    def residual_back(self, residual: int, dy: int) -> None:
        """The gradient by what a convolution added is dy itself."""
        if residual in self.gradients:
            self.calls.append(Call(CallKind.SLICE, src=dy, dst=self.gradients[residual], add=True))
        else:  # this was the last use of dy, so dy may become that gradient, to which others are added
            self.gradients[residual] = dy

    def norm(
        self, name: str, src: int, *, border: int, silu: bool, vector: int = NONE, eps: float | None = None
    ) -> int:
        """A group norm; vector: a scale and a shift for each channel."""
        _, height, width, channels, _ = self.images[src]
        groups, at = self.config.norm_num_groups, self.layout.weights.at
        dst, stats = self.image(height, width, channels, border), self.vector(2 * groups)
        eps = self.config.norm_eps if eps is None else eps
        statistics = Call(CallKind.STATISTICS, src=src, stats=stats, groups=groups, eps=eps)
        weight, bias = at[f"{name}.weight"], at[f"{name}.bias"]
        forward = statistics._replace(kind=CallKind.NORM, dst=dst, vector=vector, weight=weight, bias=bias, silu=silu)
        self.calls += [statistics, forward]

        def back() -> None:
            dx, add = self.gradient(src)
            dy, dvector = self.gradients[dst], NONE if vector == NONE else self.gradient(vector)[0]
            kind = CallKind.NORM_BACK
            self.calls.append(forward._replace(kind=kind, dst=NONE, dy=dy, dx=dx, dvector=dvector, add=add))

        self.tape.append(back)
        return dst

    def silu(self, src: int) -> int:
        """SiLU of a vector."""
        dst = self.vector(self.images[src].channels)
        self.calls.append(Call(CallKind.SILU, src=src, dst=dst))

        def back() -> None:
            dx, add = self.gradient(src)
            self.calls.append(Call(CallKind.SILU_BACK, src=src, dy=self.gradients[dst], dx=dx, add=add))

        self.tape.append(back)
        return dst

    def upsample(self, src: int) -> int:
        _, height, width, channels, _ = self.images[src]
        return self.moved(CallKind.UPSAMPLE, src, self.image(2 * height, 2 * width, channels, border=1))

    def average(self, src: int) -> int:
        _, height, width, channels, _ = self.images[src]
        return self.moved(CallKind.AVERAGE, src, self.image(height // 2, width // 2, channels, border=1))

    def moved(self, kind: CallKind, src: int, dst: int) -> int:
        """A call that knows an image and its result alone, and its way back the gradients by both."""
        self.calls.append(Call(kind, src=src, dst=dst))
        back_kind = CallKind[f"{kind.name}_BACK"]

        def back() -> None:
            dx, add = self.gradient(src)
            self.calls.append(Call(back_kind, dy=self.gradients[dst], dx=dx, add=add))

        self.tape.append(back)
        return dst

    def concat(self, h: int, skip: int) -> int:
        _, height, width, channels, border = self.images[h]
        dst = self.image(height, width, channels + self.images[skip].channels, border)
        parts = ((h, 0), (skip, channels))
        for src, channel in parts:
            self.calls.append(Call(CallKind.CONCAT, src=src, dst=dst, channel=channel))

        def back() -> None:
            for src, channel in parts:
                dx, add = self.gradient(src)
                self.calls.append(Call(CallKind.SLICE, src=self.gradients[dst], dst=dx, channel=channel, add=add))

        self.tape.append(back)
        return dst
