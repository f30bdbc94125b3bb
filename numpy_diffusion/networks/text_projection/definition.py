"""CLIP's embeddings and states as DALL-E 2's decoder is told them (Ramesh et al. 2022, arXiv 2204.06125, section 2.1;
diffusers' `UnCLIPTextProjModel`), in NumPy: forward and backward.

embedding = embedding_proj(z_text) + clip_image_embeddings_project_to_time_embeddings(z_image)
tokens = clip_extra_context_tokens_proj(z_image), K of them
states = [tokens, norm(encoder_hidden_states_proj(states of the text))]

The embedding is added to the time's, the states are attended to.  Where no image is told, z_image is learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.layers import layer_norm, linear
from numpy_diffusion.layers.named import store_gradients, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.text_projection.config import (
    IMAGE_TO_TIME,
    IMAGE_TO_TOKENS,
    LEARNED,
    STATES,
    STATES_NORM,
    TEXT_TO_TIME,
    TextProjectionConfig,
)


def forward(
    params: parameters.Parameters,
    config: TextProjectionConfig,
    image: np.ndarray,
    text: np.ndarray,
    states: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """states [N, K + L, C] and the embedding [N, E], and what `backward` needs.

    Parameters
    ----------
    params, config : of a `TextProjection`
    image, text : embeddings [N, D]; a row of zeros for an image that is not told
    states : of the text [N, L, D]
    """
    caches: dict[str, Any] = {"untold": ~image.any(axis=1)}

    def through(layer: str, x: np.ndarray) -> np.ndarray:
        y, caches[layer] = linear.forward(x, *weight_and_bias(params, layer))
        return y

    image = np.where(caches["untold"][:, None], params[LEARNED], image)
    embedding = through(TEXT_TO_TIME, text) + through(IMAGE_TO_TIME, image)
    # The numbers of a token lie K apart, as there.
    tokens = through(IMAGE_TO_TOKENS, image).reshape(len(image), config.cross_attention_dim, -1).swapaxes(1, 2)
    h, caches[STATES_NORM] = layer_norm.forward(through(STATES, states), *weight_and_bias(params, STATES_NORM))
    return np.concatenate([tokens, h], axis=1), embedding, caches


def backward(
    config: TextProjectionConfig, dstates: np.ndarray, dembedding: np.ndarray, caches: dict[str, Any]
) -> parameters.Parameters:
    """The gradient of every parameter from dstates [N, K + L, C] and dembedding [N, E]."""
    grads: parameters.Parameters = {}
    K = config.clip_extra_context_tokens

    def through(layer: str, dy: np.ndarray) -> np.ndarray:
        return store_gradients(grads, layer, linear.backward(dy, caches[layer]))

    through(STATES, store_gradients(grads, STATES_NORM, layer_norm.backward(dstates[:, K:], caches[STATES_NORM])))
    dimage = through(IMAGE_TO_TOKENS, dstates[:, :K].swapaxes(1, 2).reshape(len(dstates), -1))
    dimage = dimage + through(IMAGE_TO_TIME, dembedding)
    through(TEXT_TO_TIME, dembedding)
    return grads | {LEARNED: dimage[caches["untold"]].sum(axis=0)}
