"""U-Nets as small as they get, with all weights drawn, and images for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.networks.unet.definition import Told
from numpy_diffusion.networks.unet.program import told_size
from numpy_diffusion.networks.unet.unet import UNet

# Attention in both ways and between, classes, dropout, and either kind of halving.
SMALL = dict(
    in_channels=2,
    out_channels=2,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    attention_head_dim=2,
    down_block_types=("AttnDownBlock2D", "DownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    num_class_embeds=3,
    dropout=0.2,
)
PLAIN = SMALL | dict(
    down_block_types=("DownBlock2D",) * 2,
    up_block_types=("UpBlock2D",) * 2,
    num_class_embeds=None,
    dropout=0.0,
    add_attention=False,
)
TOLD = SMALL | dict(  # states that are attended to, in two of the three places
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    cross_attention_dim=3,
)
ONE_BLOCK = dict(block_out_channels=(4,), down_block_types=("AttnDownBlock2D",), up_block_types=("UpBlock2D",))
CASES: dict[str, dict[str, Any]] = {
    "8 x 8": SMALL | dict(sample_size=8),
    "6 x 10, halved to odd sizes, pad (0, 1)": SMALL | dict(sample_size=(6, 10), downsample_padding=0),
    "7 x 5, one block, one channel": SMALL | ONE_BLOCK | dict(sample_size=(7, 5), in_channels=1, out_channels=1),
    "a variance head": PLAIN | dict(sample_size=4, out_channels=4, layers_per_block=2, flip_sin_to_cos=False),
    "states": TOLD | dict(sample_size=4),
    "states, an embedding, scale and shift": TOLD
    | dict(
        sample_size=(2, 4),
        num_class_embeds=None,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=3,
        use_linear_projection=True,
        transformer_layers_per_block=(2, 1),
        attention_head_dim=(1, 4),
        resnet_time_scale_shift="scale_shift",
    ),
    "a decoder: added states, halved and doubled in residual blocks": TOLD
    | dict(
        sample_size=4,
        num_class_embeds=None,
        out_channels=4,
        down_block_types=("SimpleCrossAttnDownBlock2D", "ResnetDownsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"),
        class_embed_type="identity",
        resnet_time_scale_shift="scale_shift",
    ),
    "residual blocks that halve and double, a middle without a norm": SMALL
    | dict(
        sample_size=4,
        down_block_types=("ResnetDownsampleBlock2D",) * 2,
        up_block_types=("ResnetUpsampleBlock2D",) * 2,
        resnet_time_scale_shift="scale_shift",
    ),
    "an upsampler": PLAIN
    | dict(
        sample_size=8,
        in_channels=4,
        down_block_types=("ResnetDownsampleBlock2D",) * 2,
        up_block_types=("ResnetUpsampleBlock2D",) * 2,
    ),
    "states and an embedding as it is": TOLD
    | ONE_BLOCK
    | dict(
        sample_size=2,
        num_class_embeds=None,
        down_block_types=("CrossAttnDownBlock2D",),
        class_embed_type="identity",
        time_embedding_dim=5,
    ),
}
SAMPLES = np.array([5, 2, 9])


def network(options: dict[str, Any], seed: int = 0, dtype: Any = np.float64) -> UNet:
    """All weights and biases drawn, so that no gradient is zero but by the structure."""
    model, rng = UNet(**options, dtype=dtype), np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(max(values[0].size, 2))
    return model


def images(model: UNet, N: int = 3) -> tuple[np.ndarray, np.ndarray, Told]:
    """x, t and what the samples are told: of a text of four words, not all of which are there."""
    rng, classes = np.random.default_rng(1), model.config.num_class_embeds
    labels = None if classes is None else rng.integers(0, classes, N)
    shape = (model.config.in_channels, *model.config.image_size)  # of an upsampler with the image to go by
    x, t = rng.normal(size=(N, *shape)).astype(model.buffer.dtype), rng.integers(1, 1001, N)
    embedding = rng.normal(size=(N, told_size(model.config))) if told_size(model.config) else None
    if (size := model.config.cross_attention_dim) is None:
        return x, t, Told(labels, embedding)
    states, mask = rng.normal(size=(N, 4, size)), rng.random((N, 4)) < 0.6
    mask[:, 1] = True
    return x, t, Told(labels, embedding, states.astype(x.dtype), mask)


def one_of(told: Told, n: int) -> Told:
    """What sample n is told."""
    return Told(*(None if values is None else values[[n]] for values in told))
