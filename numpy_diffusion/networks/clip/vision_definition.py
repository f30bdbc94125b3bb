"""CLIP's image encoder in NumPy: forward and backward.

h_0 = pre_layrnorm([class; patches] + position_embedding)
h = the layers on h_0, where each place sees all                     see `encoder`
embedding = visual_projection post_layernorm(h at the class token)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.layers import layer_norm, linear, patch_embedding
from numpy_diffusion.layers.named import store_gradients, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import encoder
from numpy_diffusion.networks.clip.vision_config import (
    AFTER,
    BEFORE,
    CLASS,
    MODEL,
    PATCH,
    PLACES,
    PROJECTION,
    CLIPVisionConfig,
)


def forward(params: parameters.Parameters, config: CLIPVisionConfig, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
    """The embeddings [N, E] of images x [N, C, H, W], and what `backward` needs."""
    eps = config.layer_norm_eps
    h, patch_cache = patch_embedding.forward(x, params[PATCH], params[CLASS], params[PLACES])
    h, before_cache = layer_norm.forward(h, *weight_and_bias(params, BEFORE), eps)
    h, layer_caches = encoder.forward(h, params, config, MODEL, None)
    pooled, after_cache = layer_norm.forward(h[:, 0], *weight_and_bias(params, AFTER), eps)
    embedding, projection_cache = linear.forward(pooled, params[PROJECTION], None)
    return embedding, [patch_cache, before_cache, layer_caches, h.shape, after_cache, projection_cache]


def backward(
    config: CLIPVisionConfig, dembedding: np.ndarray, caches: list[Any]
) -> tuple[np.ndarray, parameters.Parameters]:
    """dx [N, C, H, W] and the gradient of every parameter from dembedding [N, E]."""
    grads: parameters.Parameters = {}
    patch_cache, before_cache, layer_caches, shape, after_cache, projection_cache = caches
    dpooled, grads[PROJECTION], _ = linear.backward(dembedding, projection_cache)
    dh = np.zeros(shape, dembedding.dtype)
    dh[:, 0] = store_gradients(grads, AFTER, layer_norm.backward(dpooled, after_cache))
    dh = encoder.backward(dh, config, MODEL, layer_caches, grads)
    dh = store_gradients(grads, BEFORE, layer_norm.backward(dh, before_cache))
    dx, grads[PATCH], grads[CLASS], grads[PLACES] = patch_embedding.backward(dh, patch_cache)
    return dx, grads
