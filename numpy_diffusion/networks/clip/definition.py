"""CLIP's text encoder in NumPy: forward and backward.

h_0 = token_embedding[ids] + position_embedding
h = the layers on h_0, causal                                        see `encoder`
states = final_layer_norm(h)
pooled = states at the text's end,   embedding = text_projection pooled
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from numpy_diffusion.layers import attention, layer_norm, linear, text_embedding
from numpy_diffusion.layers.named import store_gradients, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.clip import encoder
from numpy_diffusion.networks.clip.config import FINAL, MODEL, PLACES, PROJECTION, TOKENS, CLIPTextConfig

OLD_END: Final = 2  # the eos_token_id of files that were written before it was looked at


def forward(
    params: parameters.Parameters, config: CLIPTextConfig, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """states [N, L, D] and the pooled ones [N, D] from ids [N, L], and what `backward` needs."""
    h, embedding_cache = text_embedding.forward(ids, params[TOKENS], params[PLACES])
    h, layer_caches = encoder.forward(h, params, config, MODEL, attention.causal(ids.shape[1]))
    states, final_cache = layer_norm.forward(h, *weight_and_bias(params, FINAL), config.layer_norm_eps)
    ends = text_ends(ids, config.eos_token_id)
    return states, states[np.arange(len(ids)), ends], [embedding_cache, layer_caches, final_cache, ends, states]


def backward(
    config: CLIPTextConfig, dstates: np.ndarray | None, dpooled: np.ndarray | None, caches: list[Any]
) -> parameters.Parameters:
    """The gradient of every parameter from dstates [N, L, D] and dpooled [N, D], None standing for 0."""
    grads: parameters.Parameters = {}
    embedding_cache, layer_caches, final_cache, ends, states = caches
    dh = np.zeros_like(states) if dstates is None else dstates.copy()
    if dpooled is not None:
        dh[np.arange(len(dh)), ends] += dpooled
    dh = store_gradients(grads, FINAL, layer_norm.backward(dh, final_cache))
    dh = encoder.backward(dh, config, MODEL, layer_caches, grads)
    grads[TOKENS], grads[PLACES] = text_embedding.backward(dh, embedding_cache)
    return grads


def project(
    params: parameters.Parameters, config: CLIPTextConfig, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """states [N, L, D] and the embeddings [N, E] from ids [N, L], and what `project_backward` needs."""
    states, pooled, caches = forward(params, config, ids)
    embedding, cache = linear.forward(pooled, params[PROJECTION], None)
    return states, embedding, [cache, caches]


def project_backward(
    config: CLIPTextConfig, dstates: np.ndarray | None, dembedding: np.ndarray, caches: list[Any]
) -> parameters.Parameters:
    """The gradient of every parameter from dstates [N, L, D], None standing for 0, and dembedding [N, E]."""
    cache, before = caches
    dpooled, dprojection, _ = linear.backward(dembedding, cache)
    return backward(config, dstates, dpooled, before) | {PROJECTION: dprojection}


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
