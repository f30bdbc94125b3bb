"""The layer of CLIP's encoders (Radford et al. 2021, section 2.4; transformers' `CLIPEncoderLayer`):

x = x + self_attn(layer_norm1(x))
x = x + mlp.fc2(act(mlp.fc1(layer_norm2(x))))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, assert_never

import numpy as np

from numpy_diffusion.layers import gelu, layer_norm, linear, multi_head, quick_gelu
from numpy_diffusion.layers.named import Gradients, inside, store_gradients, store_inside, weight_and_bias

Activation = Literal["quick_gelu", "gelu", "gelu_new"]  # by transformers' names: the last is the form by a tanh

ATTENTION, WIDEN, NARROW = "self_attn", "mlp.fc1", "mlp.fc2"
NAMES: Final = multi_head.Names("q_proj", "k_proj", "v_proj", "out_proj")


def forward(
    x: np.ndarray,
    params: Mapping[str, np.ndarray],
    heads: int,
    act: Activation,
    eps: float,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, L, D] from x [N, L, D].

    Parameters
    ----------
    params : weight and bias of layer_norm1, layer_norm2, mlp.fc1, mlp.fc2 and of self_attn's q_proj, k_proj, v_proj
        and out_proj
    mask : as `attention.forward` takes it
    """
    caches: dict[str, Any] = {}
    z, caches["layer_norm1"] = layer_norm.forward(x, *weight_and_bias(params, "layer_norm1"), eps)
    h, caches[ATTENTION] = multi_head.forward(z, None, inside(params, ATTENTION), heads, mask, NAMES)
    x = x + h
    z, caches["layer_norm2"] = layer_norm.forward(x, *weight_and_bias(params, "layer_norm2"), eps)
    h, caches[WIDEN] = linear.forward(z, *weight_and_bias(params, WIDEN))
    h, caches["act"] = _activate(act, h)
    h, caches[NARROW] = linear.forward(h, *weight_and_bias(params, NARROW))
    return x + h, caches


def backward(dy: np.ndarray, caches: dict[str, Any], act: Activation) -> tuple[np.ndarray, Gradients]:
    """dx [N, L, D] and the gradient of each of params, from dy [N, L, D]."""
    grads: Gradients = {}
    dh = store_gradients(grads, NARROW, linear.backward(dy, caches[NARROW]))
    dh = quick_gelu.backward(dh, caches["act"]) if act == "quick_gelu" else gelu.backward(dh, caches["act"])
    dz = store_gradients(grads, WIDEN, linear.backward(dh, caches[WIDEN]))
    dx = dy + store_gradients(grads, "layer_norm2", layer_norm.backward(dz, caches["layer_norm2"]))
    dz, _, found = multi_head.backward(dx, caches[ATTENTION])
    store_inside(grads, ATTENTION, found)
    return dx + store_gradients(grads, "layer_norm1", layer_norm.backward(dz, caches["layer_norm1"])), grads


def _activate(act: Activation, x: np.ndarray) -> tuple[np.ndarray, Any]:
    match act:
        case "quick_gelu":
            return quick_gelu.forward(x)
        case "gelu":
            return gelu.forward(x)
        case "gelu_new":
            return gelu.forward(x, "tanh")
        case _:
            assert_never(act)
