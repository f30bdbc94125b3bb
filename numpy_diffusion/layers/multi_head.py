"""Multi-head attention between the layers before and behind it (Vaswani et al. 2017, section 3.2.2; diffusers'
`Attention`), of a sequence to itself or to a context:

y = to_out.0(attention(to_q(x), to_k(context), to_v(context)))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from numpy_diffusion.layers import attention, linear
from numpy_diffusion.layers.named import Gradients, store_gradients


class Names(NamedTuple):
    """What the four layers are called; as in diffusers, if nothing is said."""

    q: str = "to_q"
    k: str = "to_k"
    v: str = "to_v"
    out: str = "to_out.0"


def forward(
    x: np.ndarray,
    context: np.ndarray | None,
    params: Mapping[str, np.ndarray],
    heads: int,
    mask: np.ndarray | None = None,
    names: Names = Names(),  # noqa: B008 - immutable
) -> tuple[np.ndarray, dict[str, Any]]:
    """y [N, L, D] from x [N, L, D] and context [N, M, C].

    Parameters
    ----------
    context : None for x itself
    params : the weight, and the bias of those that have one, of each of `names`
    mask : as `attention.forward` takes it
    """
    caches: dict[str, Any] = {"params": list(params), "names": names, "self": context is None}

    def through(layer: str, h: np.ndarray) -> np.ndarray:
        y, caches[layer] = linear.forward(h, params[f"{layer}.weight"], params.get(f"{layer}.bias"))
        return y

    seen = x if context is None else context
    q, k, v = through(names.q, x), through(names.k, seen), through(names.v, seen)
    o, caches["attention"] = attention.forward(q, k, v, heads, mask)
    return through(names.out, o), caches


def backward(dy: np.ndarray, caches: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None, Gradients]:
    """dx [N, L, D], dcontext [N, M, C] or None, and the gradient of each of params, from dy [N, L, D]."""
    grads: Gradients = {}
    names: Names = caches["names"]

    def through(layer: str, dh: np.ndarray) -> np.ndarray:
        return store_gradients(grads, layer, linear.backward(dh, caches[layer]))

    dq, dk, dv = attention.backward(through(names.out, dy), caches["attention"])
    dx, from_k, from_v = through(names.q, dq), through(names.k, dk), through(names.v, dv)
    grads = {name: grads[name] for name in caches["params"]}  # not of a bias that there is not
    return (dx + from_k + from_v, None, grads) if caches["self"] else (dx, from_k + from_v, grads)
