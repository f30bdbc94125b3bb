"""The residual block of the U-Net (Ho et al. 2020, appendix B; diffusers' `ResnetBlock2D`):

h = conv1(silu(norm1(x))) + time_emb_proj(silu(temb))
y = conv2(dropout(silu(norm2(h)))) + x, where x goes through the 1 x 1 convolution conv_shortcut if channels differ

or, where temb scales and shifts (Dhariwal and Nichol 2021, arXiv 2105.05233, equation 3),

h = conv1(silu(norm1(x))),   (scale, shift) = time_emb_proj(silu(temb))
y = conv2(dropout(silu((1 + scale) norm2(h) + shift))) + x

An autoencoder's has no temb, and nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from numpy_diffusion.layers import conv, dropout, group_norm, linear, silu
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias


class Dropped(NamedTuple):
    """The arguments of `dropout.forward` behind x."""

    probability: float
    seed: int
    samples: np.ndarray
    step: int
    number: int


def forward(
    x: np.ndarray,
    temb: np.ndarray | None,
    params: Mapping[str, np.ndarray],
    groups: int,
    eps: float,
    dropped: Dropped | None = None,
    scale_shift: bool = False,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, J, H, W] from x [N, C, H, W] and temb [N, E], if there is one; without `dropped`, no dropout.

    params: weight and bias of norm1, conv1, norm2, conv2; of time_emb_proj where there is temb, and of conv_shortcut
    where C is not J.
    """
    caches: dict[str, Any] = {}
    h, caches["norm1"] = group_norm.forward(x, *weight_and_bias(params, "norm1"), groups, eps)
    h, caches["silu1"] = silu.forward(h)
    h, caches["conv1"] = conv.forward(h, *weight_and_bias(params, "conv1"))
    if temb is not None:
        a, caches["silu_temb"] = silu.forward(temb)
        a, caches["time_emb_proj"] = linear.forward(a, *weight_and_bias(params, "time_emb_proj"))
        a = a[:, :, None, None]
        if not scale_shift:
            h = h + a
    h, caches["norm2"] = group_norm.forward(h, *weight_and_bias(params, "norm2"), groups, eps)
    if temb is not None and scale_shift:
        scale, shift = np.split(a, 2, axis=1)
        caches["scale"] = h, 1.0 + scale
        h = h * (1.0 + scale) + shift
    h, caches["silu2"] = silu.forward(h)
    if dropped is not None:
        h, caches["dropout"] = dropout.forward(h, *dropped)
    h, caches["conv2"] = conv.forward(h, *weight_and_bias(params, "conv2"))
    if "conv_shortcut.weight" in params:
        x, caches["conv_shortcut"] = conv.forward(x, *weight_and_bias(params, "conv_shortcut"), pad=(0, 0))
    return h + x, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None, Gradients]:
    """dx [N, C, H, W], dtemb [N, E] if there was one, and the gradient of each of params, from dy [N, J, H, W]."""
    grads: Gradients = {}
    dh = store_gradients(grads, "conv2", conv.backward(dy, caches["conv2"]))
    if "dropout" in caches:
        dh = dropout.backward(dh, caches["dropout"])
    dh = silu.backward(dh, caches["silu2"])
    scaled = "scale" in caches
    if scaled:
        normed, factor = caches["scale"]
        da, dh = np.concatenate([dh * normed, dh], axis=1), dh * factor
    dh = store_gradients(grads, "norm2", group_norm.backward(dh, caches["norm2"]))
    dtemb = None
    if "time_emb_proj" in caches:
        da = (da if scaled else dh).sum(axis=(2, 3))
        da = store_gradients(grads, "time_emb_proj", linear.backward(da, caches["time_emb_proj"]))
        dtemb = silu.backward(da, caches["silu_temb"])
    dh = store_gradients(grads, "conv1", conv.backward(dh, caches["conv1"]))
    dh = store_gradients(grads, "norm1", group_norm.backward(silu.backward(dh, caches["silu1"]), caches["norm1"]))
    shortcut = "conv_shortcut" in caches
    dx = store_gradients(grads, "conv_shortcut", conv.backward(dy, caches["conv_shortcut"])) if shortcut else dy
    return dh + dx, dtemb, grads
