"""The U-Net's kernels and its definition on the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.tasks import Dropout
from numpy_diffusion.networks.unet import compiled as unet_compiled
from numpy_diffusion.networks.unet import definition
from numpy_diffusion.networks.unet import embedding as unet_embedding
from numpy_diffusion.networks.unet.program import told_size
from numpy_diffusion.networks.unet.unet import UNet
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import losses

DOWN, UP = (
    ("DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"),
    ("UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"),
)
TOKENS = 9
TABLE = losses.bound_table(Schedule.linear(T=1000))


def small() -> UNet:
    """A U-Net with something of everything, and all weights drawn."""
    model = UNet(
        sample_size=8,
        in_channels=2,
        out_channels=2,
        block_out_channels=[8, 40],
        norm_num_groups=4,
        down_block_types=DOWN[:2],
        up_block_types=UP[1::-1],
        layers_per_block=1,
        dropout=0.2,
        num_class_embeds=4,
    )
    model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def told() -> UNet:
    """A U-Net that attends to states, with something of everything that such a one has."""
    model = UNet(
        sample_size=8,
        in_channels=2,
        out_channels=2,
        block_out_channels=[8, 40],
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        dropout=0.2,
        cross_attention_dim=5,
        attention_head_dim=2,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="projection",
        projection_class_embeddings_input_dim=3,
    )
    model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def decoder() -> UNet:
    """One with states that are added, an embedding as it is and a variance head, as DALL-E 2's decoder has."""
    model = UNet(
        sample_size=8,
        in_channels=2,
        out_channels=4,
        block_out_channels=[8, 40],
        norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        layers_per_block=1,
        dropout=0.2,
        cross_attention_dim=5,
        attention_head_dim=10,
        resnet_time_scale_shift="scale_shift",
        class_embed_type="identity",
    )
    model.buffer[:] += 0.1 * np.random.default_rng(0).normal(size=model.buffer.size)
    return model


def resampling() -> UNet:
    """One with residual blocks that halve and double, and an attention in the middle that has no norm."""
    return UNet(
        **small().options
        | dict(
            down_block_types=("ResnetDownsampleBlock2D", "DownBlock2D"),
            up_block_types=("ResnetUpsampleBlock2D", "UpBlock2D"),
            resnet_time_scale_shift="scale_shift",
        )
    )


def wide() -> UNet:
    """The same with channels that fill registers, so that some convolutions go by squares of pixels."""
    return UNet(**small().options | {"block_out_channels": [32, 64]})


def wide_told() -> UNet:
    """One that attends to states, with such channels."""
    return UNet(**told().options | {"block_out_channels": [32, 64]})


def shown(model: UNet, n: int, seed: int = 0) -> dict[str, Any]:
    """A batch: images, steps and what they are told, of states some."""
    rng = np.random.default_rng(seed)
    labels = None if model.null_label is None else rng.integers(0, model.null_label + 1, n)
    batch = {"x": rng.normal(size=(n, *model.shape)).astype(np.float32), "t": rng.integers(1, 1001, n)}
    more: dict[str, Any] = {}
    if size := told_size(model.config):
        more["embedding"] = rng.normal(size=(n, size))
    if size := model.config.cross_attention_dim or 0:
        more["states"], more["mask"] = rng.normal(size=(n, TOKENS, size)), rng.random((n, TOKENS)) < 0.5
        more["mask"][np.arange(n), rng.integers(0, TOKENS, n)] = True
    return batch | {"told": Condition(labels, **more)}


def row(batch: dict[str, Any], n: int) -> dict[str, Any]:
    """The n-th sample by itself."""
    return {"x": batch["x"][[n]], "t": batch["t"][[n]], "told": batch["told"].rows(np.array([n]))}


def double(told: Condition) -> definition.Told:
    """What the definition takes, in float64."""
    numbers = (None if values is None else values.astype(float) for values in (told.embedding, told.states))
    return definition.Told(told.labels, *numbers, told.mask)


def outputs(model: UNet, batch: dict[str, Any]) -> np.ndarray:
    steps, place = np.unique(batch["t"], return_inverse=True)
    embedding = unet_embedding.embed(model.config, steps, np.float32)
    weights = unet_compiled.laid_out(model.config, model.buffer, None)
    return unet_compiled.predict(model.config, weights, batch["x"], embedding, place, batch["told"])


def gradient(model: UNet, batch: dict[str, Any], eps: np.ndarray, weighting: np.ndarray) -> tuple[np.ndarray, ...]:
    """Losses, gradient, and the gradients by embedding and states, of no numbers where there are none."""
    embedding = unet_embedding.embed(model.config, batch["t"], np.float32)
    told, table = batch["told"], TABLE[batch["t"]]
    run = unet_compiled.gradients(model.config, model.share(len(eps)), told.length, of_told=told.states is not None)
    found = run(model.buffer, batch["x"], eps, embedding, told, weighting, table, seed=2**40 + 7, step=3)
    return tuple(values.copy() for values in found)


def exact(model: UNet, batch: dict[str, Any], eps: np.ndarray, weighting: np.ndarray) -> tuple[np.ndarray, ...]:
    """Losses and gradients by the definition in float64."""
    params = {name: values.astype(np.float64) for name, values in model.params.items()}
    dropout, x = Dropout(2**40 + 7, np.arange(len(eps)), 3), batch["x"].astype(float)
    found, caches = definition.forward(params, model.config, x, batch["t"], double(batch["told"]), dropout)
    C = model.shape[0]
    values, slopes = losses.of_prediction(found[:, :C], eps.astype(float), weighting.astype(float))
    if model.learn_variance:
        more, head = losses.variance_loss(found[:, C:], found[:, :C], eps.astype(float), TABLE[batch["t"]])
        values, slopes = values + more, np.concatenate([slopes, head], axis=1)
    _, dtold, grads = definition.backward(params, model.config, slopes, caches)
    return values, np.concatenate([grads[name].ravel() for name in params]), dtold.embedding, dtold.states
