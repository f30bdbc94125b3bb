"""The layer of CLIP's encoders (Radford et al. 2021, section 2.4; transformers' `CLIPEncoderLayer`):

x = x + self_attn(layer_norm1(x))
x = x + mlp.fc2(act(mlp.fc1(layer_norm2(x))))

With other names it is diffusers' `BasicTransformerBlock` without a context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, assert_never

import numpy as np

from numpy_diffusion.layers import gelu, layer_norm, linear, multi_head, quick_gelu
from numpy_diffusion.layers.named import Gradients, inside, store_gradients, store_inside, weight_and_bias

Activation = Literal["quick_gelu", "gelu", "gelu_new"]  # by transformers' names: the last is the form by a tanh


class Names(NamedTuple):
    """What its parts are called; as in transformers, if nothing is said."""

    norm1: str = "layer_norm1"
    attention: str = "self_attn"
    projections: multi_head.Names = multi_head.Names("q_proj", "k_proj", "v_proj", "out_proj")
    norm2: str = "layer_norm2"
    widen: str = "mlp.fc1"
    narrow: str = "mlp.fc2"


def forward(
    x: np.ndarray,
    params: Mapping[str, np.ndarray],
    heads: int,
    act: Activation,
    eps: float,
    mask: np.ndarray | None = None,
    names: Names = Names(),  # noqa: B008 - immutable
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, L, D] from x [N, L, D].

    Parameters
    ----------
    params : weight and bias of both norms, of the two linear layers and of the attention's four, by `names`
    mask : as `attention.forward` takes it
    """
    caches: dict[str, Any] = {"names": names}
    z, caches["norm1"] = layer_norm.forward(x, *weight_and_bias(params, names.norm1), eps)
    attending = inside(params, names.attention)
    h, caches["attention"] = multi_head.forward(z, None, attending, heads, mask, names.projections)
    x = x + h
    z, caches["norm2"] = layer_norm.forward(x, *weight_and_bias(params, names.norm2), eps)
    h, caches["widen"] = linear.forward(z, *weight_and_bias(params, names.widen))
    h, caches["act"] = _activate(act, h)
    h, caches["narrow"] = linear.forward(h, *weight_and_bias(params, names.narrow))
    return x + h, caches


def backward(dy: np.ndarray, caches: dict[str, Any], act: Activation) -> tuple[np.ndarray, Gradients]:
    """dx [N, L, D] and the gradient of each of params, from dy [N, L, D]."""
    grads: Gradients = {}
    names: Names = caches["names"]
    dh = store_gradients(grads, names.narrow, linear.backward(dy, caches["narrow"]))
    dh = quick_gelu.backward(dh, caches["act"]) if act == "quick_gelu" else gelu.backward(dh, caches["act"])
    dz = store_gradients(grads, names.widen, linear.backward(dh, caches["widen"]))
    dx = dy + store_gradients(grads, names.norm2, layer_norm.backward(dz, caches["norm2"]))
    dz, _, found = multi_head.backward(dx, caches["attention"])
    store_inside(grads, names.attention, found)
    return dx + store_gradients(grads, names.norm1, layer_norm.backward(dz, caches["norm1"])), grads


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
