"""What the tests on Dask share: small networks, their schedule, and checksums."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule

SCHEDULE = Schedule.from_beta(np.linspace(0.01, 0.4, 20))  # with a little signal left at T, so that few steps do

UNET = {
    "sample_size": 8,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (4, 8),
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
    "norm_num_groups": 2,
    "layers_per_block": 1,
    "num_class_embeds": 4,
}


def network(**options: Any) -> MLP:
    """An MLP none of whose weights is zero, with units of its own."""
    model = MLP(2, 16, 1, seed=3, **options)
    model.buffer[:] = 0.3 * np.random.default_rng(4).normal(size=model.buffer.size)
    model.shift[:], model.scale[:] = [3.0, -1.0], [0.5, 2.0]
    return model


def images() -> UNet:
    model = UNet(seed=1, **UNET)
    model.buffer[:] = 0.1 * np.random.default_rng(4).normal(size=model.buffer.size)
    return model


def digest(x: Any) -> tuple[str, str]:
    """The dtype and SHA-256 of an array, computed if it is lazy; of a wrong shape it is another."""
    found = np.ascontiguousarray(x)
    return str(found.dtype), hashlib.sha256(repr(found.shape).encode() + found.tobytes()).hexdigest()
