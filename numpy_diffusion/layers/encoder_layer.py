"""The layer of CLIP's encoders (Radford et al. 2021, section 2.4; transformers' `CLIPEncoderLayer`), two steps with a
skip around each:

h = self_attn(layer_norm1(x)) + x          out_proj(attention(q_proj z, k_proj z, v_proj z))
y = mlp(layer_norm2(h)) + h                fc2(act(fc1 z))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_never

import numpy as np

from numpy_diffusion.layers import attention, gelu, gelu_tanh, layer_norm, linear, quick_gelu
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias

Activation = Literal["quick_gelu", "gelu", "gelu_new"]  # by transformers' names: `gelu_new` is the form by a tanh


def forward(
    x: np.ndarray, params: Mapping[str, np.ndarray], heads: int, act: Activation, eps: float, causal: bool
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, L, D] from x [N, L, D].

    params: weight and bias of layer_norm1, self_attn.q_proj, .k_proj, .v_proj and .out_proj, layer_norm2, mlp.fc1 and
    mlp.fc2.
    """
    caches: dict[str, Any] = {}

    def through(layer: str, h: np.ndarray) -> np.ndarray:
        """Of all texts' places at once: one product of matrices takes far less than one for each text."""
        y, caches[layer] = linear.forward(h.reshape(-1, h.shape[2]), *weight_and_bias(params, layer))
        return y.reshape(*h.shape[:2], -1)

    z, caches["layer_norm1"] = layer_norm.forward(x, *weight_and_bias(params, "layer_norm1"), eps)
    q, k, v = (through(f"self_attn.{part}_proj", z) for part in "qkv")
    o, caches["attention"] = attention.forward(q, k, v, heads, causal=causal)
    h = x + through("self_attn.out_proj", o)
    z, caches["layer_norm2"] = layer_norm.forward(h, *weight_and_bias(params, "layer_norm2"), eps)
    z, caches["act"] = _activate(act, through("mlp.fc1", z))
    return h + through("mlp.fc2", z), caches


def backward(dy: np.ndarray, caches: dict[str, Any], act: Activation) -> tuple[np.ndarray, Gradients]:
    """dx [N, L, D] and the gradient of each of params, from dy [N, L, D]."""
    grads: Gradients = {}

    def through(layer: str, d: np.ndarray) -> np.ndarray:
        dh = store_gradients(grads, layer, linear.backward(d.reshape(-1, d.shape[2]), caches[layer]))
        return dh.reshape(*d.shape[:2], -1)

    dz = _activate_backward(act, through("mlp.fc2", dy), caches["act"])
    dz = through("mlp.fc1", dz)
    dh = dy + store_gradients(grads, "layer_norm2", layer_norm.backward(dz, caches["layer_norm2"]))
    slopes = attention.backward(through("self_attn.out_proj", dh), caches["attention"])
    dq, dk, dv = (through(f"self_attn.{part}_proj", slope) for part, slope in zip("qkv", slopes, strict=True))
    dx = store_gradients(grads, "layer_norm1", layer_norm.backward(dq + dk + dv, caches["layer_norm1"]))
    return dx + dh, grads


def _activate(act: Activation, x: np.ndarray) -> tuple[np.ndarray, Any]:
    match act:
        case "quick_gelu":
            return quick_gelu.forward(x)
        case "gelu":
            return gelu.forward(x)
        case "gelu_new":
            return gelu_tanh.forward(x)
        case _:
            assert_never(act)


def _activate_backward(act: Activation, dy: np.ndarray, cache: Any) -> np.ndarray:
    match act:
        case "quick_gelu":
            return quick_gelu.backward(dy, cache)
        case "gelu":
            return gelu.backward(dy, cache)
        case "gelu_new":
            return gelu_tanh.backward(dy, cache)
        case _:
            assert_never(act)
