"""U-Nets as small as they get, with all weights drawn, and images for them."""

from __future__ import annotations

from typing import Any

import numpy as np

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
ONE_BLOCK = dict(block_out_channels=(4,), down_block_types=("AttnDownBlock2D",), up_block_types=("UpBlock2D",))
CASES: dict[str, dict[str, Any]] = {
    "8 x 8": SMALL | dict(sample_size=8),
    "6 x 10, halved to odd sizes, pad (0, 1)": SMALL | dict(sample_size=(6, 10), downsample_padding=0),
    "7 x 5, one block, one channel": SMALL | ONE_BLOCK | dict(sample_size=(7, 5), in_channels=1, out_channels=1),
    "a variance head": PLAIN | dict(sample_size=4, out_channels=4, layers_per_block=2, flip_sin_to_cos=False),
}
SAMPLES = np.array([5, 2, 9])


def network(options: dict[str, Any], seed: int = 0, dtype: Any = np.float64) -> UNet:
    """All weights and biases drawn, so that no gradient is zero but by the structure."""
    model, rng = UNet(**options, dtype=dtype), np.random.default_rng(seed)
    for values in model.params.values():
        values[:] = rng.normal(size=values.shape) / np.sqrt(max(values[0].size, 2))
    return model


def images(model: UNet, N: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    rng, classes = np.random.default_rng(1), model.config.num_class_embeds
    labels = None if classes is None else rng.integers(0, classes, N)
    return rng.normal(size=(N, *model.shape)).astype(model.buffer.dtype), rng.integers(1, 1001, N), labels
