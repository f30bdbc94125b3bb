"""The block of self-attention and attention to a context (Rombach et al. 2022, section 3.3; diffusers'
`BasicTransformerBlock`):

x = x + attn1(norm1(x))
x = x + attn2(norm2(x), context)
x = x + ff.net.2(geglu(norm3(x))), with ff.net.0.proj in the geglu
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_diffusion.layers import geglu, layer_norm, linear, multi_head
from numpy_diffusion.layers.named import Gradients, inside, store_gradients, store_inside, weight_and_bias

WIDEN, NARROW = "ff.net.0.proj", "ff.net.2"


def forward(
    x: np.ndarray,
    context: np.ndarray,
    params: Mapping[str, np.ndarray],
    heads: int,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, L, D] from x [N, L, D] and context [N, M, C].

    Parameters
    ----------
    params : weight and bias of norm1, norm2, norm3, ff.net.0.proj and ff.net.2; and those of `multi_head` behind
        attn1 and attn2
    mask : bool [N, M], whether a row of the context may be seen
    """
    caches: dict[str, Any] = {}

    def normed(layer: str) -> np.ndarray:
        z, caches[layer] = layer_norm.forward(x, *weight_and_bias(params, layer))
        return z

    seen = None if mask is None else mask[:, None]
    h, caches["attn1"] = multi_head.forward(normed("norm1"), None, inside(params, "attn1"), heads)
    x = x + h
    h, caches["attn2"] = multi_head.forward(normed("norm2"), context, inside(params, "attn2"), heads, seen)
    x = x + h
    h, caches[WIDEN] = geglu.forward(normed("norm3"), *weight_and_bias(params, WIDEN))
    h, caches[NARROW] = linear.forward(h, *weight_and_bias(params, NARROW))
    return x + h, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, Gradients]:
    """dx [N, L, D], dcontext [N, M, C] and the gradient of each of params, from dy [N, L, D]."""
    grads: Gradients = {}

    def normed(layer: str, dz: np.ndarray) -> np.ndarray:
        return store_gradients(grads, layer, layer_norm.backward(dz, caches[layer]))

    dh = store_gradients(grads, NARROW, linear.backward(dy, caches[NARROW]))
    dh = store_gradients(grads, WIDEN, geglu.backward(dh, caches[WIDEN]))
    dx = dy + normed("norm3", dh)
    dh, dcontext, found = multi_head.backward(dx, caches["attn2"])
    assert dcontext is not None
    store_inside(grads, "attn2", found)
    dx = dx + normed("norm2", dh)
    dh, _, found = multi_head.backward(dx, caches["attn1"])
    store_inside(grads, "attn1", found)
    return dx + normed("norm1", dh), dcontext, grads
