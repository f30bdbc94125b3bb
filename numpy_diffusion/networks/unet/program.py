"""The U-Net's structure as one flat list of operations, which the NumPy definition and the kernels both walk.

The U-Net of Ho et al. (2020, appendix B), and with transformers in the place of attention that of Rombach et al.
(2022, arXiv 2112.10752), which attends to a text.  Names, options and defaults are those of diffusers' `UNet2DModel`
and `UNet2DConditionModel`, so that a configuration and its weights mean the same here and there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, Never, NoReturn, get_args

from numpy_diffusion.models.parameters import Shapes
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.options import checked

__all__ = [
    "Kind",
    "Op",
    "checked",
    "embedding_size",
    "norm_out",
    "program",
    "shapes",
    "shapes_of",
    "told_size",
    "unknown",
]

Kind = Literal[
    "conv_in",
    "pointwise",
    "resnet",
    "resnet_down",
    "resnet_up",
    "attention",
    "added_attention",
    "transformer",
    "downsample",
    "upsample",
    "conv_out",
    "save",
    "concat",
]


class Op(NamedTuple):
    """One operation on h [N, inputs, H, W].

    kind : "conv_in", "pointwise" (a convolution of 1 x 1), "resnet", "resnet_down" and "resnet_up" (which halve and
        double the image), "attention", "added_attention" (to states too), "transformer", "downsample", "upsample",
        "conv_out" (with its norm and SiLU); or "save", which puts h on the stack of skips, and "concat", which takes
        the top one and joins it behind h's channels
    name : what its parameters' names start with, "" where it has none
    inputs, outputs : channels of h before and after
    heads : of an attention or transformer
    depth : of a transformer, its blocks
    normed : whether an attention has a group norm
    """

    kind: Kind
    name: str
    inputs: int
    outputs: int
    heads: int = 0
    depth: int = 0
    normed: bool = True


RESAMPLING: Final = (  # blocks whose residual blocks halve or double the image
    "ResnetDownsampleBlock2D",
    "ResnetUpsampleBlock2D",
    "SimpleCrossAttnDownBlock2D",
    "SimpleCrossAttnUpBlock2D",
)


def unknown(kind: Never) -> NoReturn:
    """The last case of a `match` over kinds: raises ValueError, and mypy finds a kind that would come here."""
    raise ValueError(f"kind: expected one of {', '.join(map(repr, get_args(Kind)))}, got {kind!r}")


def program(config: Config) -> list[Op]:
    """The operations in order, of a `checked` configuration.

    Examples
    --------
    >>> config = checked({"sample_size": 8, "block_out_channels": [32], "layers_per_block": 1, "add_attention": False,
    ...                   "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"]})
    >>> [op.kind for op in program(config)]  # doctest: +NORMALIZE_WHITESPACE
    ['conv_in', 'save', 'resnet', 'save', 'resnet', 'resnet', 'concat', 'resnet', 'concat', 'resnet', 'conv_out']
    >>> program(config)[7]
    Op(kind='resnet', name='up_blocks.0.resnets.0', inputs=64, outputs=32, heads=0, depth=0, normed=True)
    """
    first, last = config.block_out_channels[0], config.block_out_channels[-1]
    ops = [Op("conv_in", "conv_in", config.in_channels, first), Op("save", "", first, first)]
    skips = [first]
    for op in _down(config):
        ops += [op]
        if op.kind == "save":
            skips += [op.outputs]
    ops += [Op("resnet", "mid_block.resnets.0", last, last)]
    if config.mid_attention:
        ops += [
            _attention(config, "mid_block.attentions.0", config.mid_block_type, len(config.block_out_channels) - 1)
        ]
    ops += [Op("resnet", "mid_block.resnets.1", last, last)]
    ops += _up(config, skips)
    return [*ops, Op("conv_out", "conv_out", first, config.out_channels)]


def _attention(config: Config, name: str, kind: str, block: int) -> Op:
    """What attends in a block of this kind, counted on the way down: to the pixels alone, or to states too."""
    n, heads, depth = config.block_out_channels[block], config.heads(block, kind), config.depth(block)
    if "SimpleCrossAttn" in kind:
        return Op("added_attention", name, n, n, heads)
    if depth:
        return Op("transformer", name, n, n, heads, depth)
    return Op("attention", name, n, n, heads, normed=kind != config.mid_block_type or config.mid_norm)


def _down(config: Config) -> Iterator[Op]:
    """The way down: what each layer and each halving leaves is saved."""
    channels = config.block_out_channels
    h = channels[0]
    for block, (kind, n) in enumerate(zip(config.down_block_types, channels, strict=True)):
        for layer in range(config.layers_per_block):
            yield Op("resnet", f"down_blocks.{block}.resnets.{layer}", h, n)
            h = n
            if "Attn" in kind:
                yield _attention(config, f"down_blocks.{block}.attentions.{layer}", kind, block)
            yield Op("save", "", n, n)
        if block < len(channels) - 1:
            name = f"down_blocks.{block}.downsamplers.0"
            yield Op("resnet_down", name, n, n) if kind in RESAMPLING else Op("downsample", f"{name}.conv", n, n)
            yield Op("save", "", n, n)


def _up(config: Config, skips: list[int]) -> Iterator[Op]:
    """The way up: one layer more a block than down, each with the saved h of the same size behind its own."""
    channels = config.block_out_channels[::-1]
    h = channels[0]
    for block, (kind, n) in enumerate(zip(config.up_block_types, channels, strict=True)):
        for layer in range(config.layers_per_block + 1):
            joined = h + skips.pop()
            yield Op("concat", "", h, joined)
            yield Op("resnet", f"up_blocks.{block}.resnets.{layer}", joined, n)
            h = n
            if "Attn" in kind:
                yield _attention(config, f"up_blocks.{block}.attentions.{layer}", kind, len(channels) - 1 - block)
        if block < len(channels) - 1:
            name = f"up_blocks.{block}.upsamplers.0"
            yield Op("resnet_up", name, n, n) if kind in RESAMPLING else Op("upsample", f"{name}.conv", n, n)


def shapes(config: Config) -> Shapes:
    """Every parameter's shape by the name that it has in diffusers' state dict, in the program's order.

    Examples
    --------
    >>> found = shapes(checked({"sample_size": 32, "block_out_channels": [32, 64, 64, 64], "num_class_embeds": 11}))
    >>> found["time_embedding.linear_1.weight"], found["class_embedding.weight"], found["conv_in.weight"]
    ((128, 32), (11, 128), (32, 3, 3, 3))
    """
    size, embedding = config.block_out_channels[0], embedding_size(config)
    found = _layer("time_embedding.linear_1", (embedding, size))
    found |= _layer("time_embedding.linear_2", (embedding, embedding))
    if config.num_class_embeds is not None:
        found["class_embedding.weight"] = (config.num_class_embeds, embedding)
    if config.class_embed_type == "projection":
        found |= _layer("class_embedding.linear_1", (embedding, told_size(config)))
        found |= _layer("class_embedding.linear_2", (embedding, embedding))
    for op in program(config):
        found |= shapes_of(op, config)
    return found


def norm_out(op: Op) -> str:
    """The name of the norm before the last convolution."""
    return f"{op.name.removesuffix('conv_out')}conv_norm_out"


def embedding_size(config: Config) -> int:
    """How many numbers the time embedding's layers make of a step."""
    return config.time_embedding_dim or 4 * config.block_out_channels[0]


def told_size(config: Config) -> int:
    """Numbers of the embedding that each sample is told beside its step; 0 for none."""
    match config.class_embed_type:
        case "identity":
            return embedding_size(config)
        case "projection":
            return config.projection_class_embeddings_input_dim or 0
        case _:
            return 0


def shapes_of(op: Op, config: Config) -> Shapes:
    """The parameters of one operation, in the order of diffusers' state dict."""
    name, inputs, outputs = op.name, op.inputs, op.outputs
    match op.kind:
        case "resnet" | "resnet_down" | "resnet_up":
            found = _norm(f"{name}.norm1", inputs) | _layer(f"{name}.conv1", (outputs, inputs, 3, 3))
            if config.told_steps:
                scaled = 2 if config.resnet_time_scale_shift == "scale_shift" else 1
                found |= _layer(f"{name}.time_emb_proj", (scaled * outputs, embedding_size(config)))
            found |= _norm(f"{name}.norm2", outputs) | _layer(f"{name}.conv2", (outputs, outputs, 3, 3))
            return found | (_layer(f"{name}.conv_shortcut", (outputs, inputs, 1, 1)) if inputs != outputs else {})
        case "attention":
            found = _norm(f"{name}.group_norm", inputs) if op.normed else {}
            for part in ("to_q", "to_k", "to_v", "to_out.0"):
                found |= _layer(f"{name}.{part}", (inputs, inputs))
            return found
        case "added_attention":
            assert config.cross_attention_dim is not None
            found = _norm(f"{name}.group_norm", inputs)
            for part in ("to_q", "to_k", "to_v", "add_k_proj", "add_v_proj", "to_out.0"):
                context = config.cross_attention_dim if part.startswith("add_") else inputs
                found |= _layer(f"{name}.{part}", (inputs, context))
            return found
        case "transformer":
            window = () if config.use_linear_projection else (1, 1)
            found = _norm(f"{name}.norm", inputs) | _layer(f"{name}.proj_in", (inputs, inputs, *window))
            for k in range(op.depth):
                found |= _shapes_of_block(f"{name}.transformer_blocks.{k}", inputs, config)
            return found | _layer(f"{name}.proj_out", (inputs, inputs, *window))
        case "conv_out":
            return _norm(norm_out(op), inputs) | _layer(name, (outputs, inputs, 3, 3))
        case "pointwise":
            return _layer(name, (outputs, inputs, 1, 1))
        case "conv_in" | "downsample" | "upsample":
            return _layer(name, (outputs, inputs, 3, 3))
        case "save" | "concat":
            return {}
        case _:
            unknown(op.kind)


def _shapes_of_block(name: str, channels: int, config: Config) -> Shapes:
    """A transformer block: attention to the pixels, attention to the states, and two layers for each pixel."""
    assert config.cross_attention_dim is not None
    found: Shapes = {}
    for k, context in ((1, channels), (2, config.cross_attention_dim)):
        found |= _norm(f"{name}.norm{k}", channels) | {f"{name}.attn{k}.to_q.weight": (channels, channels)}
        found |= {f"{name}.attn{k}.{part}.weight": (channels, context) for part in ("to_k", "to_v")}
        found |= _layer(f"{name}.attn{k}.to_out.0", (channels, channels))
    found |= _norm(f"{name}.norm3", channels) | _layer(f"{name}.ff.net.0.proj", (8 * channels, channels))
    return found | _layer(f"{name}.ff.net.2", (channels, 4 * channels))


def _layer(name: str, weight: tuple[int, ...]) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _norm(name: str, channels: int) -> Shapes:
    return _layer(name, (channels,))
