"""Self-attention among an image's pixels, with a skip (Ho et al. 2020, appendix B; diffusers' `Attention`):

y = to_out.0(attention(to_q(z), to_k(z), to_v(z))) + x,   z = group_norm(x), a row of channels for each pixel
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_diffusion.layers import attention, group_norm, linear
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias


def forward(
    x: np.ndarray, params: Mapping[str, np.ndarray], groups: int, eps: float, heads: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, C, H, W] from x [N, C, H, W]; params: weight and bias of group_norm, to_q, to_k, to_v and to_out.0."""
    caches: dict[str, Any] = {}
    N, C = x.shape[:2]

    def through(layer: str, flat: np.ndarray) -> np.ndarray:
        y, caches[layer] = linear.forward(flat.reshape(-1, C), *weight_and_bias(params, layer))
        return y.reshape(N, -1, C)

    z, caches["group_norm"] = group_norm.forward(x, *weight_and_bias(params, "group_norm"), groups, eps)
    flat = rows(z)
    q, k, v = (through(layer, flat) for layer in ("to_q", "to_k", "to_v"))
    o, caches["attention"] = attention.forward(q, k, v, heads)
    return image(through("to_out.0", o), x.shape) + x, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, Gradients]:
    """dx [N, C, H, W] and the gradient of each of params, from dy [N, C, H, W]."""
    grads: Gradients = {}
    N, C = dy.shape[:2]

    def through(layer: str, drows: np.ndarray) -> np.ndarray:
        return store_gradients(grads, layer, linear.backward(drows.reshape(-1, C), caches[layer])).reshape(N, -1, C)

    do = through("to_out.0", rows(dy))
    dq, dk, dv = attention.backward(do, caches["attention"])
    drows = through("to_q", dq) + through("to_k", dk) + through("to_v", dv)
    dx = store_gradients(grads, "group_norm", group_norm.backward(image(drows, dy.shape), caches["group_norm"]))
    return dx + dy, grads


def rows(x: np.ndarray) -> np.ndarray:
    """[N, H W, C] from [N, C, H, W]."""
    return x.reshape(*x.shape[:2], -1).swapaxes(1, 2)


def image(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """[N, C, H, W] from [N, H W, C]."""
    return flat.swapaxes(1, 2).reshape(shape)
