"""An image's pixels through transformer blocks that look at a context (Rombach et al. 2022, section 3.3; diffusers'
`Transformer2DModel`):

y = proj_out(blocks(proj_in(group_norm(x)))) + x, a row of channels for each pixel
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_diffusion.layers import group_norm, linear, transformer_block
from numpy_diffusion.layers.named import Gradients, inside, store_gradients, store_inside, weight_and_bias
from numpy_diffusion.layers.pixels import image, rows

EPS = 1e-6  # of the group norm, whatever that of the network's others is


def forward(
    x: np.ndarray,
    context: np.ndarray,
    params: Mapping[str, np.ndarray],
    groups: int,
    heads: int,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, C, H, W] from x [N, C, H, W] and context [N, M, E].

    Parameters
    ----------
    params : weight and bias of norm, proj_in and proj_out; and those of `transformer_block` behind
        transformer_blocks.0 and on.  proj_in and proj_out are linear layers, weight [J, K], or convolutions of a
        pixel, [J, K, 1, 1], which is the same (diffusers' use_linear_projection)
    mask : bool [N, M], whether a row of the context may be seen
    """
    caches: dict[str, Any] = {"shape": x.shape, "context": context.shape}

    def through(layer: str, h: np.ndarray) -> np.ndarray:
        weight, bias = weight_and_bias(params, layer)
        y, cache = linear.forward(h, weight.reshape(len(weight), -1), bias)
        caches[layer] = cache, weight.shape
        return y

    h, caches["norm"] = group_norm.forward(x, *weight_and_bias(params, "norm"), groups, EPS)
    h, caches["blocks"] = through("proj_in", rows(h)), []
    for number in range(depth(params)):
        block = inside(params, f"transformer_blocks.{number}")
        h, cache = transformer_block.forward(h, context, block, heads, mask)
        caches["blocks"].append(cache)
    return image(through("proj_out", h), x.shape) + x, caches


def depth(params: Mapping[str, np.ndarray]) -> int:
    """How many transformer blocks there are."""
    return len({name.split(".")[1] for name in params if name.startswith("transformer_blocks.")})


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, Gradients]:
    """dx [N, C, H, W], dcontext [N, M, E] and the gradient of each of params, from dy [N, C, H, W]."""
    grads: Gradients = {}

    def through(layer: str, dh: np.ndarray) -> np.ndarray:
        cache, shape = caches[layer]
        dh, dweight, dbias = linear.backward(dh, cache)
        return store_gradients(grads, layer, (dh, dweight.reshape(shape), dbias))

    dh = through("proj_out", rows(dy))
    dcontext = np.zeros(caches["context"], dy.dtype)
    for number, cache in reversed(list(enumerate(caches["blocks"]))):
        dh, from_block, found = transformer_block.backward(dh, cache)
        store_inside(grads, f"transformer_blocks.{number}", found)
        dcontext = dcontext + from_block
    dh = image(through("proj_in", dh), caches["shape"])
    return store_gradients(grads, "norm", group_norm.backward(dh, caches["norm"])) + dy, dcontext, grads
