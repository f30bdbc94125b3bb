"""What a U-Net knows of the step and the class: temb, which every residual block is given.

Steps are t = 1..T here and 0..T - 1 in diffusers, so that step t is embedded as the number t - 1: the same weights
then mean the same network here and there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.layers import class_embedding, linear, silu, time_embedding
from numpy_diffusion.layers.named import store_gradients, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.config import UNetConfig


def embed(config: UNetConfig, t: np.ndarray, dtype: Any) -> np.ndarray:
    """The numbers that stand for the steps t [N], in diffusers' count: [N, block_out_channels[0]]."""
    size, flip, shift = config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift
    return time_embedding.forward(t - 1, size, dtype, flip, shift)


def forward(
    params: parameters.Parameters, config: UNetConfig, t: np.ndarray, labels: np.ndarray | None, dtype: Any
) -> tuple[np.ndarray, dict[str, Any]]:
    """temb [N, E], which every residual block is given: two layers of the step's embedding, and the class's row."""
    caches: dict[str, Any] = {}
    h, caches["linear_1"] = linear.forward(
        embed(config, t, dtype), *weight_and_bias(params, "time_embedding.linear_1")
    )
    h, caches["silu"] = silu.forward(h)
    temb, caches["linear_2"] = linear.forward(h, *weight_and_bias(params, "time_embedding.linear_2"))
    if labels is not None:
        row, caches["class"] = class_embedding.forward(labels, params["class_embedding.weight"])
        temb = temb + row
    return temb, caches


def backward(dtemb: np.ndarray, caches: dict[str, Any]) -> parameters.Parameters:
    """The gradient of each of the embedding's parameters, from dtemb [N, E]."""
    grads: parameters.Parameters = {}
    if "class" in caches:
        grads["class_embedding.weight"] = class_embedding.backward(dtemb, caches["class"])
    dh = store_gradients(grads, "time_embedding.linear_2", linear.backward(dtemb, caches["linear_2"]))
    store_gradients(
        grads, "time_embedding.linear_1", linear.backward(silu.backward(dh, caches["silu"]), caches["linear_1"])
    )
    return grads
