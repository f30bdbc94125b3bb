"""Attention of an image's pixels to each other and to added states, with a skip (GLIDE, Nichol et al. 2022, arXiv
2112.10741; diffusers' `Attention` with `AttnAddedKVProcessor`):

y = to_out.0(attention(to_q(z), [to_k(z), add_k_proj(states)], [to_v(z), add_v_proj(states)])) + x

with z = group_norm(x), a row of channels for each pixel.  One softmax goes over pixels and states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_diffusion.layers import attention, group_norm, linear
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias
from numpy_diffusion.layers.pixels import image, rows

EPS = 1e-5  # of the group norm, whatever that of the network's others is


def forward(
    x: np.ndarray,
    states: np.ndarray,
    params: Mapping[str, np.ndarray],
    groups: int,
    heads: int,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, C, H, W] from x [N, C, H, W] and states [N, M, E].

    Parameters
    ----------
    params : weight and bias of group_norm, to_q, to_k, to_v, add_k_proj, add_v_proj and to_out.0
    mask : bool [N, M], whether a state may be seen; pixels always are
    """
    caches: dict[str, Any] = {}

    def through(layer: str, h: np.ndarray) -> np.ndarray:
        y, caches[layer] = linear.forward(h, *weight_and_bias(params, layer))
        return y

    h, caches["group_norm"] = group_norm.forward(x, *weight_and_bias(params, "group_norm"), groups, EPS)
    z = rows(h)
    k = np.concatenate([through("to_k", z), through("add_k_proj", states)], axis=1)
    v = np.concatenate([through("to_v", z), through("add_v_proj", states)], axis=1)
    seen = None if mask is None else np.pad(mask, [(0, 0), (z.shape[1], 0)], constant_values=True)[:, None]
    o, caches["attention"] = attention.forward(through("to_q", z), k, v, heads, seen)
    return image(through("to_out.0", o), x.shape) + x, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, Gradients]:
    """dx [N, C, H, W], dstates [N, M, E] and the gradient of each of params, from dy [N, C, H, W]."""
    grads: Gradients = {}

    def through(layer: str, dh: np.ndarray) -> np.ndarray:
        return store_gradients(grads, layer, linear.backward(dh, caches[layer]))

    dq, dk, dv = attention.backward(through("to_out.0", rows(dy)), caches["attention"])
    pixels = dq.shape[1]
    dz = through("to_q", dq) + through("to_k", dk[:, :pixels]) + through("to_v", dv[:, :pixels])
    dstates = through("add_k_proj", dk[:, pixels:]) + through("add_v_proj", dv[:, pixels:])
    dx = store_gradients(grads, "group_norm", group_norm.backward(image(dz, dy.shape), caches["group_norm"]))
    return dx + dy, dstates, grads
