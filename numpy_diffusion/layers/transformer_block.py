"""The transformer block of the U-Net (Vaswani et al. 2017; diffusers' `BasicTransformerBlock`), three steps with a
skip around each:

h = attn1(z, z) + x,         z = norm1(x)      attention of the pixels to each other
h = attn2(z, states) + h,    z = norm2(h)      attention to what the network is told
y = ff(norm3(h)) + h                           two layers for each pixel, GEGLU between them
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from numpy_diffusion.layers import attention, geglu, layer_norm, linear
from numpy_diffusion.layers.named import Gradients, store_gradients, weight_and_bias

EPS: Final = 1e-5  # of the norms


def forward(
    x: np.ndarray, states: np.ndarray, mask: np.ndarray | None, params: Mapping[str, np.ndarray], heads: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, L, C] from x [N, L, C] and states [N, K, D], of which a mask [N, K] says which are there.

    params: weight and bias of norm1 to norm3, attn1.to_out.0, attn2.to_out.0, ff.net.0.proj and ff.net.2; weight of
    to_q, to_k and to_v of attn1 and attn2.
    """
    caches: dict[str, Any] = {}
    h = x
    for number in (1, 2):
        z, caches[f"norm{number}"] = layer_norm.forward(h, *weight_and_bias(params, f"norm{number}"), EPS)
        context, marks = (z, None) if number == 1 else (states, mask)
        y, caches[f"attn{number}"] = _attend(z, context, marks, params, f"attn{number}", heads)
        h = h + y
    z, caches["norm3"] = layer_norm.forward(h, *weight_and_bias(params, "norm3"), EPS)
    z, caches["ff.net.0.proj"] = linear.forward(z, *weight_and_bias(params, "ff.net.0.proj"))
    z, caches["geglu"] = geglu.forward(z)
    z, caches["ff.net.2"] = linear.forward(z, *weight_and_bias(params, "ff.net.2"))
    return h + z, caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, Gradients]:
    """dx [N, L, C], dstates [N, K, D] and the gradient of each of params, from dy [N, L, C]."""
    grads: Gradients = {}
    dz = store_gradients(grads, "ff.net.2", linear.backward(dy, caches["ff.net.2"]))
    dz = geglu.backward(dz, caches["geglu"])
    dz = store_gradients(grads, "ff.net.0.proj", linear.backward(dz, caches["ff.net.0.proj"]))
    dh = dy + store_gradients(grads, "norm3", layer_norm.backward(dz, caches["norm3"]))
    dz, dstates = _attend_backward(dh, caches["attn2"], grads, "attn2")
    dh = dh + store_gradients(grads, "norm2", layer_norm.backward(dz, caches["norm2"]))
    dz, dcontext = _attend_backward(dh, caches["attn1"], grads, "attn1")
    dh = dh + store_gradients(grads, "norm1", layer_norm.backward(dz + dcontext, caches["norm1"]))
    return dh, dstates, grads


def _attend(
    z: np.ndarray,
    context: np.ndarray,
    mask: np.ndarray | None,
    params: Mapping[str, np.ndarray],
    name: str,
    heads: int,
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """to_out.0(attention(to_q(z), to_k(context), to_v(context)))."""
    weights = [params[f"{name}.{part}.weight"] for part in ("to_q", "to_k", "to_v")]
    q, k, v = (rows @ weight.T for rows, weight in zip((z, context, context), weights, strict=True))
    o, inside = attention.forward(q, k, v, heads, mask)
    y, out = linear.forward(o, *weight_and_bias(params, f"{name}.to_out.0"))
    return y, (z, context, weights, inside, out)


def _attend_backward(
    dy: np.ndarray, cache: tuple[Any, ...], grads: Gradients, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """dz and dcontext."""
    z, context, weights, inside, out = cache
    do = store_gradients(grads, f"{name}.to_out.0", linear.backward(dy, out))
    slopes = attention.backward(do, inside)
    for part, rows, slope in zip(("to_q", "to_k", "to_v"), (z, context, context), slopes, strict=True):
        grads[f"{name}.{part}.weight"] = np.einsum("nlj,nlk->jk", slope, rows)
    dq, dk, dv = (slope @ weight for slope, weight in zip(slopes, weights, strict=True))
    return dq, dk + dv
