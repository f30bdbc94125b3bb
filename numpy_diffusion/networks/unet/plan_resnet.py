"""A residual block as kernel calls: what `plan.py` writes down for "resnet", "resnet_down" and "resnet_up"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind
from numpy_diffusion.networks.unet.program import Op

if TYPE_CHECKING:
    from numpy_diffusion.networks.unet.plan import Builder


def resnet(builder: Builder, op: Op, h: int, temb: int, number: int) -> int:
    """The block that is number so and so in the program; temb is NONE in a network that is not told steps."""
    name, outputs, scales = op.name, op.outputs, builder.config.resnet_time_scale_shift == "scale_shift"
    added = scale = NONE
    if temb != NONE:
        told = builder.conv(f"{name}.time_emb_proj", temb, 2 * outputs if scales else outputs, k=1, border=0)
        added, scale = (NONE, told) if scales else (told, NONE)
    first, shortcut = builder.norm(f"{name}.norm1", h, border=1, silu=True), h
    if op.kind == "resnet_down":
        first, shortcut = builder.average(first), builder.average(h)
    elif op.kind == "resnet_up":
        first, shortcut = builder.upsample(first), builder.upsample(h)
    between = builder.conv(f"{name}.conv1", first, outputs, vector=added)
    second = _dropout(builder, builder.norm(f"{name}.norm2", between, border=1, silu=True, vector=scale), number)
    if builder.images[h].channels != outputs:
        shortcut = builder.conv(f"{name}.conv_shortcut", h, outputs, k=1)
    return builder.conv(f"{name}.conv2", second, outputs, residual=shortcut)


def _dropout(builder: Builder, src: int, number: int) -> int:
    if not (builder.training and builder.config.dropout):
        return src
    dst = builder.like(src)
    builder.calls.append(Call(CallKind.DROPOUT, src=src, dst=dst, number=number))

    def back() -> None:
        dx, _ = builder.gradient(src)
        builder.calls.append(Call(CallKind.DROPOUT, src=builder.gradients[dst], dst=dx, number=number))

    builder.tape.append(back)
    return dst
