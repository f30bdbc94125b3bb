"""Attention and transformers as kernel calls: what `plan.py` writes down for "attention", "added_attention" and
"transformer"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy_diffusion.kernels.layers import attention as kernel
from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind
from numpy_diffusion.layers import added_attention as added_layer
from numpy_diffusion.layers import layer_norm, multi_head, spatial_transformer
from numpy_diffusion.networks.unet.program import Op

if TYPE_CHECKING:
    from numpy_diffusion.networks.unet.plan import Builder


def attention(builder: Builder, op: Op, h: int) -> int:
    """Attention of the pixels to each other, with a skip."""
    z = builder.norm(f"{op.name}.group_norm", h, border=0, silu=False) if op.normed else h
    return attend(builder, op.name, z, z, op.heads, residual=h, border=1)


def added_attention(builder: Builder, op: Op, h: int, states: int) -> int:
    """Attention of the pixels to each other and to the states, with a skip.

    Keys and values are pixels first and states behind them: their order changes no softmax, and so the states of a
    sample, which are of another number in each, begin at the same place.
    """
    z = builder.norm(f"{op.name}.group_norm", h, border=0, silu=False, eps=added_layer.EPS)

    def through(layer: str, src: int) -> int:
        return builder.conv(f"{op.name}.{layer}", src, op.outputs, k=1, border=0)

    q = through("to_q", z)
    k = _behind(builder, through("to_k", z), through("add_k_proj", states))
    v = _behind(builder, through("to_v", z), through("add_v_proj", states))
    return _found(builder, f"{op.name}.{multi_head.Names().out}", q, k, v, op.heads, residual=h, border=1)


def _behind(builder: Builder, pixels: int, states: int) -> int:
    """An image one pixel high of the pixels and, behind them, the states."""
    _, height, width, channels, _ = builder.images[pixels]
    count, tokens = height * width, builder.images[states].width
    dst = builder.image(1, count + tokens, channels, border=0)
    builder.tokens[dst] = count
    parts = ((pixels, 0), (states, count * channels))
    for src, first in parts:
        builder.calls.append(Call(CallKind.PIXELS, src=src, dst=dst, channel=first))

    def back() -> None:
        for src, first in parts:
            dx, _ = builder.gradient(src)
            builder.calls.append(Call(CallKind.PIXELS_BACK, dy=builder.gradients[dst], dx=dx, channel=first))

    builder.tape.append(back)
    return dst


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
    channels = builder.images[asking].channels
    q = builder.conv(f"{name}.{names.q}", asking, channels, k=1, border=0)
    k, v = (builder.conv(f"{name}.{part}", asked, channels, k=1, border=0) for part in (names.k, names.v))
    into = f"{name}.{names.out}"
    return _found(builder, into, q, k, v, heads, residual=residual, border=border, causal=causal)


def _found(
    builder: Builder,
    into: str,
    q: int,
    k: int,
    v: int,
    heads: int,
    *,
    residual: int,
    border: int,
    causal: bool = False,
) -> int:
    """The same from queries, keys and values; `into` : the layer behind."""
    _, height, width, channels, _ = builder.images[q]
    o = builder.of_tokens(q, builder.image(height, width, channels, border=0))
    forward = Call(CallKind.ATTENTION, q=q, k=k, v=v, o=o, heads=heads, causal=causal)
    builder.calls.append(forward)

    def back() -> None:
        dq, dk, dv = (builder.gradient(part)[0] for part in (q, k, v))
        keys = builder.images[k].height * builder.images[k].width
        matrices = builder.vector(kernel.matrices(height * width, keys).end)
        kind, do = CallKind.ATTENTION_BACK, builder.gradients[o]
        builder.calls.append(forward._replace(kind=kind, do=do, dq=dq, dk=dk, dv=dv, matrices=matrices))

    builder.tape.append(back)
    return builder.conv(into, o, channels, k=1, residual=residual, border=border)


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
