"""The multilayer perceptron in NumPy: forward, backward, and the derivative along a direction of x.

h_0 = silu(W_in [features(x), embedding(t)] + b_in)
h_l = silu(W_l h_{l-1} + b_l)  (+ h_{l-1} where residual),   l = 1..depth
eps = W_out h_depth + b_out          (the variance's head, where there is one, is as many rows more of W_out)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.layers import fourier_features, linear, silu, time_embedding
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.mlp.config import MLPConfig


def forward(
    params: parameters.Parameters, config: MLPConfig, x: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, list[Any]]:
    """The outputs [N, J], eps first, from x [N, D] and t [N]; and the cache of every layer, first to last."""
    features, features_cache = fourier_features.forward(x, config.octaves)
    h = np.concatenate([features, time_embedding.forward(t, config.embedding, x.dtype)], axis=1)
    caches: list[Any] = [features_cache]
    for layer in _silu_layers(params):
        g, linear_cache = linear.forward(h, params[f"{layer}.weight"], params[f"{layer}.bias"])
        y, silu_cache = silu.forward(g)
        h = y + h if config.residual and layer != "input" else y
        caches.append((linear_cache, silu_cache))
    outputs, linear_cache = linear.forward(h, params["output.weight"], params["output.bias"])
    return outputs, [*caches, linear_cache]


def backward(
    params: parameters.Parameters, config: MLPConfig, doutputs: np.ndarray, caches: list[Any]
) -> tuple[np.ndarray, parameters.Parameters]:
    """dx [N, D] and the gradient of every parameter, from doutputs [N, J]."""
    grads: parameters.Parameters = {}
    features_cache, *caches, output_cache = caches
    dh, grads["output.weight"], grads["output.bias"] = linear.backward(doutputs, output_cache)
    for layer, (linear_cache, silu_cache) in zip(reversed(_silu_layers(params)), reversed(caches), strict=True):
        dg = silu.backward(dh, silu_cache)
        dinput, grads[f"{layer}.weight"], grads[f"{layer}.bias"] = linear.backward(dg, linear_cache)
        dh = dinput + dh if config.residual and layer != "input" else dinput
    features = dh.shape[1] - config.embedding
    return fourier_features.backward(dh[:, :features], features_cache), grads


def jvp(
    params: parameters.Parameters, config: MLPConfig, x: np.ndarray, t: np.ndarray, tangent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The outputs [N, J], and their derivative [..., N, J] along the tangent [..., N, D] of x: forward mode."""
    outputs, (features_cache, *caches, output_cache) = forward(params, config, x, t)
    along = fourier_features.jvp(tangent, features_cache)
    dh = np.concatenate([along, np.zeros((*along.shape[:-1], config.embedding), along.dtype)], axis=-1)
    for layer, (linear_cache, silu_cache) in zip(_silu_layers(params), caches, strict=True):
        dy = silu.jvp(linear.jvp(dh, linear_cache), silu_cache)
        dh = dy + dh if config.residual and layer != "input" else dy
    return outputs, linear.jvp(dh, output_cache)


def _silu_layers(params: parameters.Parameters) -> list[str]:
    return [name.removesuffix(".weight") for name in params if name.endswith("weight") and "output" not in name]
