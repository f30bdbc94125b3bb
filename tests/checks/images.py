"""Images for a U-Net as small as it gets, with classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.batch import drawn_condition

SCHEDULE = Schedule.linear(T=20)
IMAGES = np.random.default_rng(0).uniform(-1.0, 1.0, (12, 1, 4, 4)).astype(np.float32)
LABELS = np.arange(12) % 3


def unet(classes: int | None = 4, **options: Any) -> UNet:
    """4 x 4 images, one level, 4 channels: as small as a U-Net gets."""
    small = dict(in_channels=1, out_channels=1, block_out_channels=(4,), layers_per_block=1, norm_num_groups=2)
    small |= dict(down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), attention_head_dim=None)
    return UNet(**dict(sample_size=4, num_class_embeds=classes, seed=1) | small | options)


def drawn_labels(labels: np.ndarray, null: int, dropout: float, batch: int, seed: int, step: int) -> np.ndarray:
    """The labels that a step draws, `null` for those that are left out."""
    told, nothing = Condition(labels=labels), Condition(labels=null)
    return drawn_condition(told, nothing, len(labels), dropout, np.arange(batch), seed, step).labels
