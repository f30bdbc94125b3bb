"""Attention and transformers as kernel calls: what `plan.py` writes down for "attention" and "transformer"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy_diffusion.kernels.layers import attention as kernel
from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind
from numpy_diffusion.layers import layer_norm, multi_head, spatial_transformer
from numpy_diffusion.networks.unet.program import Op

if TYPE_CHECKING:
    from numpy_diffusion.networks.unet.plan import Builder


def attention(builder: Builder, op: Op, h: int) -> int:
    """Attention of the pixels to each other, with a skip."""
    normed = builder.norm(f"{op.name}.group_norm", h, border=0, silu=False)
    return attend(builder, op.name, normed, normed, op.heads, residual=h, border=1)


def transformer(builder: Builder, op: Op, h: int, states: int) -> int:
    """A transformer of the pixels and of the states, with a skip around it."""
    y = builder.norm(f"{op.name}.norm", h, border=0, silu=False, eps=spatial_transformer.EPS)
    y = builder.conv(f"{op.name}.proj_in", y, op.outputs, k=1, border=0)
    for k in range(op.depth):
        y = _block(builder, f"{op.name}.transformer_blocks.{k}", y, states, op.heads)
    return builder.conv(f"{op.name}.proj_out", y, op.outputs, k=1, residual=h)


def _block(builder: Builder, name: str, h: int, states: int, heads: int) -> int:
    channels = builder.images[h].channels
    z = normed(builder, f"{name}.norm1", h)
    h = attend(builder, f"{name}.attn1", z, z, heads, residual=h, border=0)
    h = attend(builder, f"{name}.attn2", normed(builder, f"{name}.norm2", h), states, heads, residual=h, border=0)
    z = builder.conv(f"{name}.ff.net.0.proj", normed(builder, f"{name}.norm3", h), 8 * channels, k=1, border=0)
    return builder.conv(f"{name}.ff.net.2", _geglu(builder, z), channels, k=1, residual=h, border=0)


def attend(
    builder: Builder,
    name: str,
    asking: int,
    asked: int,
    heads: int,
    *,
    residual: int,
    border: int,
    names: multi_head.Names = multi_head.Names(),  # noqa: B008 - immutable
    causal: bool = False,
) -> int:
    """What an image's pixels find in another's, or in themselves, and what is added to it."""
    _, height, width, channels, _ = builder.images[asking]
    q = builder.conv(f"{name}.{names.q}", asking, channels, k=1, border=0)
    k, v = (builder.conv(f"{name}.{part}", asked, channels, k=1, border=0) for part in (names.k, names.v))
    o = builder.of_tokens(asking, builder.image(height, width, channels, border=0))
    forward = Call(CallKind.ATTENTION, q=q, k=k, v=v, o=o, heads=heads, causal=causal)
    builder.calls.append(forward)

    def back() -> None:
        dq, dk, dv = (builder.gradient(part)[0] for part in (q, k, v))
        keys = builder.images[k].height * builder.images[k].width
        matrices = builder.vector(kernel.matrices(height * width, keys).end)
        kind, do = CallKind.ATTENTION_BACK, builder.gradients[o]
        builder.calls.append(forward._replace(kind=kind, do=do, dq=dq, dk=dk, dv=dv, matrices=matrices))

    builder.tape.append(back)
    return builder.conv(f"{name}.{names.out}", o, channels, k=1, residual=residual, border=border)


def normed(builder: Builder, name: str, src: int, eps: float = layer_norm.EPS) -> int:
    """A layer norm of each pixel."""
    dst, at = builder.like(src), builder.layout.weights.at
    weight, bias = at[f"{name}.weight"], at[f"{name}.bias"]
    forward = Call(CallKind.LAYER_NORM, src=src, dst=dst, weight=weight, bias=bias, eps=eps)
    builder.calls.append(forward)

    def back() -> None:
        dx, add = builder.gradient(src)
        kind, dy = CallKind.LAYER_NORM_BACK, builder.gradients[dst]
        builder.calls.append(forward._replace(kind=kind, dst=NONE, dy=dy, dx=dx, add=add))

    builder.tape.append(back)
    return dst


def _geglu(builder: Builder, src: int) -> int:
    _, height, width, channels, _ = builder.images[src]
    dst = builder.image(height, width, channels // 2, border=0)
    builder.calls.append(Call(CallKind.GEGLU, src=src, dst=dst))

    def back() -> None:
        dx, _ = builder.gradient(src)
        builder.calls.append(Call(CallKind.GEGLU_BACK, src=src, dy=builder.gradients[dst], dx=dx))

    builder.tape.append(back)
    return dst
