"""A small folder in diffusers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.interop.diffusers import unets
from numpy_diffusion.networks.unet.unet import UNet

OPTIONS: dict[str, Any] = dict(
    sample_size=4,
    in_channels=1,
    out_channels=1,
    block_out_channels=[4, 4],
    layers_per_block=1,
    norm_num_groups=2,
    attention_head_dim=2,
    down_block_types=["DownBlock2D", "AttnDownBlock2D"],
    up_block_types=["AttnUpBlock2D", "UpBlock2D"],
)


def example() -> UNet:
    model = UNet(**OPTIONS)
    model.buffer[:] = np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def refused(folder: Path, *parts: str, error: type[Exception] = ValueError) -> None:
    """There is one sentence, which has these parts."""
    with pytest.raises(error) as caught:
        unets.read(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    for part in (str(folder), *parts):
        assert part in text
