"""Self-attention among an image's pixels, with a skip (Ho et al. 2020, appendix B; diffusers' `Attention`):

y = multi_head(z) + x,   z = group_norm(x), a row of channels for each pixel

Where there is no group_norm, z = x: so in the middle of diffusers' `UNet2DModel` with scales and shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numpy_diffusion.layers import group_norm, multi_head
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias
from numpy_diffusion.layers.pixels import image, rows


def forward(
    x: np.ndarray, params: Mapping[str, np.ndarray], groups: int, eps: float, heads: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, C, H, W] from x [N, C, H, W]; params: weight and bias of to_q, to_k, to_v, to_out.0 and,
    of most, group_norm.
    """
    caches: dict[str, Any] = {}
    z = x
    if "group_norm.weight" in params:
        z, caches["group_norm"] = group_norm.forward(x, *weight_and_bias(params, "group_norm"), groups, eps)
    attending = {name: values for name, values in params.items() if name.startswith("to_")}
    y, caches["multi_head"] = multi_head.forward(rows(z), None, attending, heads)
    return image(y, x.shape) + x, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, Gradients]:
    """dx [N, C, H, W] and the gradient of each of params, from dy [N, C, H, W]."""
    dz, _, grads = multi_head.backward(rows(dy), caches["multi_head"])
    dx = image(dz, dy.shape)
    if "group_norm" in caches:
        dx = store_gradients(grads, "group_norm", group_norm.backward(dx, caches["group_norm"]))
    return dx + dy, grads
