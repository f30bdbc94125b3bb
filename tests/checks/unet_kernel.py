"""The U-Net's kernels and its definition on the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.models.tasks import Dropout
from numpy_diffusion.networks.unet import compiled as unet_compiled
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet import embedding as unet_embedding
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import losses

DOWN, UP = ("DownBlock2D", "AttnDownBlock2D"), ("UpBlock2D", "AttnUpBlock2D")
TABLE = losses.bound_table(Schedule.linear(T=1000))


def small() -> UNet:
    """A U-Net with something of everything, and all weights drawn."""
    model = UNet(
        sample_size=8,
        in_channels=2,
        out_channels=2,
        block_out_channels=[8, 40],
        norm_num_groups=4,
        down_block_types=DOWN,
        up_block_types=UP[::-1],
        layers_per_block=1,
        dropout=0.2,
        num_class_embeds=4,
    )
    model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def wide() -> UNet:
    """The same with channels that fill registers, so that some convolutions go by squares of pixels."""
    return UNet(**small().options | {"block_out_channels": [32, 64]})


def shown(model: UNet, n: int, seed: int = 0) -> dict[str, Any]:
    """A batch: images, steps and labels."""
    rng = np.random.default_rng(seed)
    labels = None if model.null_label is None else rng.integers(0, model.null_label + 1, n)
    return {
        "x": rng.normal(size=(n, *model.shape)).astype(np.float32),
        "t": rng.integers(1, 1001, n),
        "labels": labels,
    }


def outputs(model: UNet, batch: dict[str, Any]) -> np.ndarray:
    steps, place = np.unique(batch["t"], return_inverse=True)
    embedding = unet_embedding.embed(model.config, steps, np.float32)
    weights = unet_compiled.laid_out(model.config, model.buffer, None)
    return unet_compiled.predict(model.config, weights, batch["x"], embedding, place, batch["labels"])


def gradient(model: UNet, batch: dict[str, Any], eps: np.ndarray, weighting: np.ndarray) -> tuple[np.ndarray, ...]:
    embedding = unet_embedding.embed(model.config, batch["t"], np.float32)
    run = unet_compiled.gradients(model.config, len(eps))
    table = TABLE[batch["t"]]
    found = run(model.buffer, batch["x"], eps, embedding, batch["labels"], weighting, table, seed=2**40 + 7, step=3)
    return tuple(values.copy() for values in found)


def exact(model: UNet, batch: dict[str, Any], eps: np.ndarray, weighting: np.ndarray) -> tuple[np.ndarray, ...]:
    """Losses and gradient by the definition in float64."""
    params = {name: values.astype(np.float64) for name, values in model.params.items()}
    dropout, x = Dropout(2**40 + 7, np.arange(len(eps)), 3), batch["x"].astype(float)
    found, caches = definition.forward(params, model.config, x, batch["t"], batch["labels"], dropout)
    C = model.shape[0]
    values, slopes = losses.noise_prediction(found[:, :C], eps.astype(float), weighting.astype(float))
    if model.learn_variance:
        more, head = losses.variance_loss(found[:, C:], found[:, :C], eps.astype(float), TABLE[batch["t"]])
        values, slopes = values + more, np.concatenate([slopes, head], axis=1)
    grads = definition.backward(params, model.config, slopes, caches)[1]
    return values, np.concatenate([grads[name].ravel() for name in params])
