"""What a U-Net knows of the step, the class and an embedding: temb, which every residual block is given.

Steps are t = 1..T here and 0..T - 1 in diffusers, so that step t is embedded as the number t - 1: the same weights
then mean the same network here and there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.layers import class_embedding, linear, silu, time_embedding
from numpy_diffusion.layers.named import store_gradients, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.unet.config import Config


def embed(config: Config, t: np.ndarray, dtype: Any) -> np.ndarray:
    """The numbers that stand for the steps t [N], in diffusers' count: [N, block_out_channels[0]]."""
    size, flip, shift = config.block_out_channels[0], config.flip_sin_to_cos, config.freq_shift
    return time_embedding.forward(t - 1, size, dtype, flip, shift)


def forward(
    params: parameters.Parameters,
    config: Config,
    t: np.ndarray,
    labels: np.ndarray | None,
    dtype: Any,
    told: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """temb [N, E], which every residual block is given: two layers of the step's embedding, and what else is known.

    That is the class's row, by labels [N]; or an embedding told [N, E] as it is (class_embed_type "identity"), or two
    layers of one ("projection").
    """
    caches: dict[str, Any] = {}
    temb, caches["time_embedding"] = _two_layers(params, "time_embedding", embed(config, t, dtype))
    if told is not None and config.class_embed_type == "projection":
        told, caches["class_embedding"] = _two_layers(params, "class_embedding", told)
    if told is not None:
        temb = temb + told
        caches["told"] = True
    if labels is not None:
        row, caches["class"] = class_embedding.forward(labels, params["class_embedding.weight"])
        temb = temb + row
    return temb, caches


def backward(dtemb: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray | None, parameters.Parameters]:
    """dtold, like told, if there is one, and the gradient of each of the parameters, from dtemb [N, E]."""
    grads: parameters.Parameters = {}
    dtold = dtemb if "told" in caches else None
    if "class" in caches:
        grads["class_embedding.weight"] = class_embedding.backward(dtemb, caches["class"])
    for name in (name for name in ("time_embedding", "class_embedding") if name in caches):
        first, between, second = caches[name]
        dh = store_gradients(grads, f"{name}.linear_2", linear.backward(dtemb, second))
        dx = store_gradients(grads, f"{name}.linear_1", linear.backward(silu.backward(dh, between), first))
        dtold = dx if name == "class_embedding" else dtold
    return dtold, grads


def _two_layers(params: parameters.Parameters, name: str, x: np.ndarray) -> tuple[np.ndarray, tuple[Any, Any, Any]]:
    """linear_2(silu(linear_1(x))) [N, E]."""
    h, first = linear.forward(x, *weight_and_bias(params, f"{name}.linear_1"))
    h, between = silu.forward(h)
    y, second = linear.forward(h, *weight_and_bias(params, f"{name}.linear_2"))
    return y, (first, between, second)
