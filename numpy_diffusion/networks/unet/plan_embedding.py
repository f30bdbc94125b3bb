"""What a U-Net knows of the step and of all else that is told for a whole image, as kernel calls: the plan of
`embedding.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy_diffusion.kernels.unet.calls import Call, CallKind
from numpy_diffusion.networks.unet.program import embedding_size

if TYPE_CHECKING:
    from numpy_diffusion.networks.unet.plan import Builder


def embed(builder: Builder, step: int, told: int) -> int:
    """SiLU of temb, which every resnet reads, from the sines and cosines of the step and a vector that is told."""
    config, size, added = builder.config, embedding_size(builder.config), told
    if config.num_class_embeds is not None:
        added = _of_class(builder, size)
    if config.class_embed_type == "projection":
        added = _two_layers(builder, "class_embedding", told, size)
    return builder.silu(_two_layers(builder, "time_embedding", step, size, residual=added))


def _two_layers(builder: Builder, name: str, src: int, size: int, **more: int) -> int:
    hidden = builder.silu(builder.conv(f"{name}.linear_1", src, size, k=1, border=0))
    return builder.conv(f"{name}.linear_2", hidden, size, k=1, border=0, **more)


def _of_class(builder: Builder, size: int) -> int:
    """The row of numbers of the sample's class."""
    dst, weight = builder.vector(size), builder.layout.weights.at["class_embedding.weight"]
    builder.calls.append(Call(CallKind.CLASS, dst=dst, weight=weight))
    builder.tape.append(
        lambda: builder.calls.append(Call(CallKind.CLASS_BACK, dy=builder.gradients[dst], weight=weight))
    )
    return dst
