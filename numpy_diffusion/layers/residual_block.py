"""The residual block of the U-Net (Ho et al. 2020, appendix B; diffusers' `ResnetBlock2D`):

h = norm2(conv1(silu(norm1(x))) + time_emb_proj(silu(temb)))
y = conv2(dropout(silu(h))) + x, where x goes through the 1 x 1 convolution conv_shortcut if channels differ

If time_emb_proj has twice the channels, they are a scale and a shift behind the norm (Dhariwal and Nichol 2021,
section 3.1; diffusers' "scale_shift"): h = norm2(conv1(silu(norm1(x)))) (1 + scale) + shift.
An autoencoder's block knows no step: it has no time_emb_proj.
A block may halve or double the image as well: then both silu(norm1(x)) and x go through `downsample` or `upsample`
(Dhariwal and Nichol 2021, section 3; diffusers' `ResnetBlock2D` with down or up).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from numpy_diffusion.layers import conv, downsample, dropout, group_norm, linear, silu, upsample
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias

Resample = Literal["down", "up"]

_RESAMPLED: Final = {"down": downsample.forward, "up": upsample.forward}
_RESAMPLED_BACK: Final = {"down": downsample.backward, "up": upsample.backward}


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
    resample: Resample | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, J, H, W] from x [N, C, H, W] and temb [N, E], if there is one; without `dropped`, no dropout.

    With `resample` y is of half or twice the height and width.

    params: weight and bias of norm1, conv1, norm2, conv2; of time_emb_proj, [J, E] or [2 J, E], if temb is not None;
    and of conv_shortcut where C is not J.
    """
    caches: dict[str, Any] = {"resample": resample}
    h, caches["norm1"] = group_norm.forward(x, *weight_and_bias(params, "norm1"), groups, eps)
    h, caches["silu1"] = silu.forward(h)
    if resample is not None:
        h, x = _RESAMPLED[resample](h), _RESAMPLED[resample](x)
    h, caches["conv1"] = conv.forward(h, *weight_and_bias(params, "conv1"))
    parts: list[np.ndarray] = []
    if temb is not None:
        a, caches["silu_temb"] = silu.forward(temb)
        a, caches["time_emb_proj"] = linear.forward(a, *weight_and_bias(params, "time_emb_proj"))
        if a.shape[1] == 2 * h.shape[1]:
            parts = np.split(a[:, :, None, None], 2, axis=1)
        else:
            h = h + a[:, :, None, None]
    h, caches["norm2"] = group_norm.forward(h, *weight_and_bias(params, "norm2"), groups, eps)
    if parts:
        scale, shift = parts
        caches["scaled"] = h, scale
        h = h * (1.0 + scale) + shift
    h, caches["silu2"] = silu.forward(h)
    if dropped is not None:
        h, caches["dropout"] = dropout.forward(h, *dropped)
    h, caches["conv2"] = conv.forward(h, *weight_and_bias(params, "conv2"))
    if "conv_shortcut.weight" in params:
        x, caches["conv_shortcut"] = conv.forward(x, *weight_and_bias(params, "conv_shortcut"), pad=(0, 0))
    return h + x, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None, Gradients]:
    """dx [N, C, H, W], dtemb [N, E] or None, and the gradient of each of params, from dy [N, J, H, W]."""
    grads: Gradients = {}
    dh = store_gradients(grads, "conv2", conv.backward(dy, caches["conv2"]))
    if "dropout" in caches:
        dh = dropout.backward(dh, caches["dropout"])
    dh = silu.backward(dh, caches["silu2"])
    da: np.ndarray | None = None
    dtemb: np.ndarray | None = None
    if "scaled" in caches:
        h, scale = caches["scaled"]
        da = np.concatenate([(dh * h).sum(axis=(2, 3)), dh.sum(axis=(2, 3))], axis=1)
        dh = dh * (1.0 + scale)
    dh = store_gradients(grads, "norm2", group_norm.backward(dh, caches["norm2"]))
    if "time_emb_proj" in caches:
        da = dh.sum(axis=(2, 3)) if da is None else da
        da = store_gradients(grads, "time_emb_proj", linear.backward(da, caches["time_emb_proj"]))
        dtemb = silu.backward(da, caches["silu_temb"])
    dh = store_gradients(grads, "conv1", conv.backward(dh, caches["conv1"]))
    shortcut, resample = "conv_shortcut" in caches, caches["resample"]
    dx = store_gradients(grads, "conv_shortcut", conv.backward(dy, caches["conv_shortcut"])) if shortcut else dy
    if resample is not None:
        dh, dx = _RESAMPLED_BACK[resample](dh), _RESAMPLED_BACK[resample](dx)
    dh = store_gradients(grads, "norm1", group_norm.backward(silu.backward(dh, caches["silu1"]), caches["norm1"]))
    return dh + dx, dtemb, grads
