"""The U-Net's options: the names and defaults of diffusers' two classes of U-Net, `UNet2DModel` and
`UNet2DConditionModel`, so that a config.json means the same here and there; `options.checked` makes one that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class Config:
    """What a U-Net's program, definition and kernels ask of its options, whichever class they are of.

    KIND : the class of diffusers
    cross_attention_dim : numbers of a state that it attends to, a word's; None for a U-Net without
    told_steps : whether its resnets are told the step; those of an autoencoder are not
    """

    KIND: ClassVar[str]
    told_steps: ClassVar[bool] = True
    sample_size: int | tuple[int, int] | None
    in_channels: int
    out_channels: int
    freq_shift: int
    flip_sin_to_cos: bool
    time_embedding_dim: int | None
    down_block_types: tuple[str, ...]
    mid_block_type: str
    up_block_types: tuple[str, ...]
    block_out_channels: tuple[int, ...]
    layers_per_block: int
    downsample_padding: int
    dropout: float
    norm_num_groups: int
    norm_eps: float
    resnet_time_scale_shift: str
    class_embed_type: str | None
    num_class_embeds: int | None
    cross_attention_dim: int | None = None
    use_linear_projection: bool = False
    projection_class_embeddings_input_dim: int | None = None

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width."""
        assert self.sample_size is not None
        return self.sample_size if isinstance(self.sample_size, tuple) else (self.sample_size, self.sample_size)

    @property
    def mid_attention(self) -> bool:
        """Whether there is attention between the two resnets in the middle."""
        raise NotImplementedError

    @property
    def mid_norm(self) -> bool:
        """Whether that attention, where it is to the pixels alone, has a group norm."""
        return True

    def heads(self, block: int, kind: str = "") -> int:
        """Heads of the attention in a block of this kind on the way down, and in its mirror on the way up."""
        raise NotImplementedError

    def depth(self, block: int) -> int:
        """Transformer blocks in each of a block's transformers."""
        raise NotImplementedError


@dataclass(frozen=True)
class UNetConfig(Config):
    """Every option of diffusers' `UNet2DModel`, with its default there."""

    KIND = "UNet2DModel"
    sample_size: int | tuple[int, int] | None = None
    in_channels: int = 3
    out_channels: int = 3
    center_input_sample: bool = False
    time_embedding_type: str = "positional"
    time_embedding_dim: int | None = None
    freq_shift: int = 0
    flip_sin_to_cos: bool = True
    down_block_types: tuple[str, ...] = ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D")
    mid_block_type: str = "UNetMidBlock2D"
    up_block_types: tuple[str, ...] = ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    block_out_channels: tuple[int, ...] = (224, 448, 672, 896)
    layers_per_block: int = 2
    mid_block_scale_factor: int = 1
    downsample_padding: int = 1
    downsample_type: str = "conv"
    upsample_type: str = "conv"
    dropout: float = 0.0
    act_fn: str = "silu"
    attention_head_dim: int | None = 8
    norm_num_groups: int = 32
    attn_norm_num_groups: int | None = None
    norm_eps: float = 1e-5
    resnet_time_scale_shift: str = "default"
    add_attention: bool = True
    class_embed_type: str | None = None
    num_class_embeds: int | None = None
    num_train_timesteps: int | None = None

    @property
    def mid_attention(self) -> bool:
        return self.add_attention

    @property
    def mid_norm(self) -> bool:
        """diffusers leaves it out beside scales and shifts, where attn_norm_num_groups does not ask for one."""
        return self.resnet_time_scale_shift == "default"

    def heads(self, block: int, kind: str = "") -> int:
        """attention_head_dim channels each; without it, one."""
        channels = self.block_out_channels[block]
        return channels // (self.attention_head_dim or channels)

    def depth(self, block: int) -> int:
        return 0


@dataclass(frozen=True)
class UNetConditionConfig(Config):
    """Every option of diffusers' `UNet2DConditionModel`, with its default there.

    attention_head_dim is the number of heads, in all blocks or in each: so it is named there.  In blocks with
    SimpleCrossAttn it is what it says, a head's channels.
    """

    KIND = "UNet2DConditionModel"
    sample_size: int | tuple[int, int] | None = None
    in_channels: int = 4
    out_channels: int = 4
    center_input_sample: bool = False
    flip_sin_to_cos: bool = True
    freq_shift: int = 0
    down_block_types: tuple[str, ...] = (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D")
    mid_block_type: str = "UNetMidBlock2DCrossAttn"
    up_block_types: tuple[str, ...] = ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3)
    only_cross_attention: bool = False
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    downsample_padding: int = 1
    mid_block_scale_factor: float = 1
    dropout: float = 0.0
    act_fn: str = "silu"
    norm_num_groups: int = 32
    norm_eps: float = 1e-5
    cross_attention_dim: int = 1280
    transformer_layers_per_block: int | tuple[int, ...] = 1
    reverse_transformer_layers_per_block: None = None
    encoder_hid_dim: int | None = None
    encoder_hid_dim_type: str | None = None
    attention_head_dim: int | tuple[int, ...] = 8
    num_attention_heads: int | None = None
    dual_cross_attention: bool = False
    use_linear_projection: bool = False
    class_embed_type: str | None = None
    addition_embed_type: str | None = None
    addition_time_embed_dim: int | None = None
    num_class_embeds: int | None = None
    upcast_attention: bool = False
    resnet_time_scale_shift: str = "default"
    resnet_skip_time_act: bool = False
    resnet_out_scale_factor: float = 1.0
    time_embedding_type: str = "positional"
    time_embedding_dim: int | None = None
    time_embedding_act_fn: str | None = None
    timestep_post_act: str | None = None
    time_cond_proj_dim: int | None = None
    conv_in_kernel: int = 3
    conv_out_kernel: int = 3
    projection_class_embeddings_input_dim: int | None = None
    attention_type: str = "default"
    class_embeddings_concat: bool = False
    mid_block_only_cross_attention: bool | None = None
    cross_attention_norm: str | None = None
    addition_embed_type_num_heads: int = 64

    @property
    def mid_attention(self) -> bool:
        return True

    def heads(self, block: int, kind: str = "") -> int:
        size = _of_block(self.attention_head_dim, block)
        return self.block_out_channels[block] // size if "SimpleCrossAttn" in kind else size

    def depth(self, block: int) -> int:
        return _of_block(self.transformer_layers_per_block, block)


def _of_block(value: int | tuple[int, ...], block: int) -> int:
    return value if isinstance(value, int) else value[block]
