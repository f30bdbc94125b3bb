"""CLIP's text encoder in NumPy: forward and backward.

h_0 = token_embedding[ids] + position_embedding
h_l = layer_l(h_{l-1}), causal,   l = 1..num_hidden_layers          see `layers.encoder_layer`
states = final_layer_norm(h)
pooled = states at the text's end
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from numpy_diffusion.layers import attention, encoder_layer, layer_norm, text_embedding
from numpy_diffusion.layers.named import inside, store_gradients, store_inside, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip.config import FINAL, PLACES, TOKENS, CLIPTextConfig, layer_name

OLD_END: Final = 2  # the eos_token_id of files that were written before it was looked at


def forward(
    params: parameters.Parameters, config: CLIPTextConfig, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """states [N, L, D] and the pooled ones [N, D] from ids [N, L], and what `backward` needs."""
    heads, act, eps = config.num_attention_heads, config.hidden_act, config.layer_norm_eps
    mask = attention.causal(ids.shape[1])
    h, embedding_cache = text_embedding.forward(ids, params[TOKENS], params[PLACES])
    layer_caches = []
    for number in range(config.num_hidden_layers):
        h, cache = encoder_layer.forward(h, inside(params, layer_name(number)), heads, act, eps, mask)
        layer_caches.append(cache)
    states, final_cache = layer_norm.forward(h, *weight_and_bias(params, FINAL), eps)
    ends = text_ends(ids, config.eos_token_id)
    return states, states[np.arange(len(ids)), ends], [embedding_cache, *layer_caches, final_cache, ends, states]


def backward(
    config: CLIPTextConfig, dstates: np.ndarray | None, dpooled: np.ndarray | None, caches: list[Any]
) -> parameters.Parameters:
    """The gradient of every parameter from dstates [N, L, D] and dpooled [N, D], None standing for 0."""
    grads: parameters.Parameters = {}
    embedding_cache, *layer_caches, final_cache, ends, states = caches
    dh = np.zeros_like(states) if dstates is None else dstates.copy()
    if dpooled is not None:
        dh[np.arange(len(dh)), ends] += dpooled
    dh = store_gradients(grads, FINAL, layer_norm.backward(dh, final_cache))
    for number, cache in reversed(list(enumerate(layer_caches))):
        dh, found = encoder_layer.backward(dh, cache, config.hidden_act)
        store_inside(grads, layer_name(number), found)
    grads[TOKENS], grads[PLACES] = text_embedding.backward(dh, embedding_cache)
    return grads


def text_ends(ids: np.ndarray, end: int) -> np.ndarray:
    """Where each text of ids [N, L] ends: int64 [N], at its first end token, or at place 0 where there is none.

    Files with the end token 2 are older than the token's name: there the end is the highest number, as in CLIP's own
    vocabulary.

    Examples
    --------
    >>> text_ends(np.array([[6, 1, 7, 7], [6, 7, 3, 3]]), 7)
    array([2, 1])
    >>> text_ends(np.array([[6, 1, 7, 7], [6, 2, 3, 9]]), OLD_END)
    array([2, 3])
    """
    return np.argmax(ids if end == OLD_END else ids == end, axis=1)
