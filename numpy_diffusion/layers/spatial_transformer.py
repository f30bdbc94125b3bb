"""Transformer blocks over an image's pixels, with a skip around them (Rombach et al. 2022, arXiv 2112.10752, section
3.3; diffusers' `Transformer2DModel`):

y = proj_out(transformer_blocks(proj_in(norm(x)), states)) + x, a row of channels for each pixel
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from numpy_diffusion.layers import group_norm, linear, transformer_block
from numpy_diffusion.layers.attention_block import image, rows
from numpy_diffusion.layers.named import Gradients, store_gradients, within

EPS: Final = 1e-6  # of the group norm, whatever the network's


def forward(
    x: np.ndarray,
    states: np.ndarray,
    mask: np.ndarray | None,
    params: Mapping[str, np.ndarray],
    groups: int,
    heads: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, C, H, W] from x [N, C, H, W] and states [N, K, D], of which a mask [N, K] says which are there.

    params: weight and bias of norm, proj_in and proj_out, linear layers [C, C] or convolutions [C, C, 1, 1]; and
    those of transformer_blocks.0, .1 and so on, see `transformer_block`.
    """
    caches: dict[str, Any] = {}
    h, caches["norm"] = group_norm.forward(x, params["norm.weight"], params["norm.bias"], groups, EPS)
    h, caches["proj_in"] = linear.forward(rows(h), _square(params, "proj_in"), params["proj_in.bias"])
    while inside := within(params, name := f"transformer_blocks.{len(caches) - 2}"):
        h, caches[name] = transformer_block.forward(h, states, mask, inside, heads)
    h, caches["proj_out"] = linear.forward(h, _square(params, "proj_out"), params["proj_out.bias"])
    return image(h, x.shape) + x, caches | {"window": params["proj_in.weight"].shape[2:]}


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, Gradients]:
    """dx [N, C, H, W], dstates [N, K, D] and the gradient of each of params, from dy [N, C, H, W]."""
    grads: Gradients = {}
    dh, dstates = store_gradients(grads, "proj_out", linear.backward(rows(dy), caches["proj_out"])), np.zeros(())
    for name in reversed([name for name in caches if name.startswith("transformer_blocks")]):
        dh, dstates_here, inside = transformer_block.backward(dh, caches[name])
        dstates = dstates + dstates_here
        grads |= {f"{name}.{key}": values for key, values in inside.items()}
    dh = store_gradients(grads, "proj_in", linear.backward(dh, caches["proj_in"]))
    for name in ("proj_in", "proj_out"):
        grads[f"{name}.weight"] = grads[f"{name}.weight"].reshape(*grads[f"{name}.weight"].shape, *caches["window"])
    dx = store_gradients(grads, "norm", group_norm.backward(image(dh, dy.shape), caches["norm"]))
    return dx + dy, dstates, grads


def _square(params: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The weight as a matrix [C, C]."""
    weight = params[f"{name}.weight"]
    return weight.reshape(weight.shape[:2])
