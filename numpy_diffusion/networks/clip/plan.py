"""CLIP's encoders as a list of kernel calls, forward and backward, from the sequence to its embedding.

The embedding is that of the last place: a text's end, or the class token, which stands behind the patches here.  No
other place of the last layer is asked for, so that its queries and its linear layers are of that place alone.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

from numpy_diffusion.kernels.unet.calls import NONE, Call, CallKind, Layout, Plan
from numpy_diffusion.layers import encoder_layer
from numpy_diffusion.networks.clip import config as text
from numpy_diffusion.networks.clip import vision_config
from numpy_diffusion.networks.clip.config import CLIPTextProjectionConfig
from numpy_diffusion.networks.clip.encoder import layer_name
from numpy_diffusion.networks.clip.vision_config import CLIPVisionConfig
from numpy_diffusion.networks.unet import placement
from numpy_diffusion.networks.unet.plan import Builder
from numpy_diffusion.networks.unet.plan_transformer import attend, normed

Config = CLIPTextProjectionConfig | CLIPVisionConfig


class Names(NamedTuple):
    """What the parameters outside the layers are called, and whether the layers are causal."""

    model: str
    before: str | None  # a norm before the first layer
    after: str
    projection: str
    causal: bool


TEXT: Final = Names(text.MODEL, None, text.FINAL, text.PROJECTION.removesuffix(".weight"), causal=True)
VISION: Final = Names(
    vision_config.MODEL,
    vision_config.BEFORE,
    vision_config.AFTER,
    vision_config.PROJECTION.removesuffix(".weight"),
    causal=False,
)


def plan(config: Config, layout: Layout, length: int, training: bool) -> Plan:
    """The calls of a forward pass; with `training`, of the backward pass behind it.

    Parameters
    ----------
    layout : where the parameters lie
    length : places of a sequence, at most
    """
    names = VISION if isinstance(config, CLIPVisionConfig) else TEXT
    builder = Builder(cast(Any, None), layout, training)  # which asks a U-Net's configuration for group norms alone
    h = first = builder.states(length, config.hidden_size)
    if names.before is not None:
        h = normed(builder, names.before, h, config.layer_norm_eps)
    for number in range(config.num_hidden_layers):
        last = number == config.num_hidden_layers - 1
        h = _layer(builder, layer_name(names.model, number), h, config, names.causal, last)
    pooled = normed(builder, names.after, h, config.layer_norm_eps)
    embedding = builder.conv(names.projection, pooled, config.projection_dim, k=1, border=0)
    backward, slope = len(builder.calls), NONE
    if training:
        slope = builder.back(embedding)
    ends = dict(states=first, eps=embedding, deps=slope, dstates=builder.gradients.get(first, NONE))
    return placement.plan(builder.images, builder.calls, backward, builder.tokens, **ends)


def _layer(builder: Builder, name: str, h: int, config: Config, causal: bool, last: bool) -> int:
    """A layer of `layers/encoder_layer.py`; the last one gives its last place alone."""
    D, eps, names = config.hidden_size, config.layer_norm_eps, encoder_layer.Names()
    z = asking = normed(builder, f"{name}.{names.norm1}", h, eps)
    if last:
        asking, h = _last(builder, z), _last(builder, h)
    own, projections = f"{name}.{names.attention}", names.projections
    heads, causal = config.num_attention_heads, causal and not last  # the last place sees all
    h = attend(builder, own, asking, z, heads, residual=h, border=0, names=projections, causal=causal)
    z = normed(builder, f"{name}.{names.norm2}", h, eps)
    z = builder.conv(f"{name}.{names.widen}", z, config.intermediate_size, k=1, border=0)
    return builder.conv(f"{name}.{names.narrow}", _quick_gelu(builder, z), D, k=1, residual=h, border=0)


def _last(builder: Builder, src: int) -> int:
    """The last place of a sequence."""
    dst = builder.vector(builder.images[src].channels)
    builder.calls.append(Call(CallKind.LAST, src=src, dst=dst))

    def back() -> None:
        dx, add = builder.gradient(src)
        builder.calls.append(Call(CallKind.LAST_BACK, dy=builder.gradients[dst], dx=dx, add=add))

    builder.tape.append(back)
    return dst


def _quick_gelu(builder: Builder, src: int) -> int:
    dst = builder.like(src)
    builder.calls.append(Call(CallKind.QUICK_GELU, src=src, dst=dst))

    def back() -> None:
        dx, _ = builder.gradient(src)
        builder.calls.append(Call(CallKind.QUICK_GELU_BACK, src=src, dy=builder.gradients[dst], dx=dx))

    builder.tape.append(back)
    return dst
