"""The prior in NumPy: forward and backward (Ramesh et al. 2022, section 2.2; diffusers' `PriorTransformer`).

h_0 = [the text's states, its embedding, the step, the noised embedding of the picture, a learned token] + positions,
      each through linear layers of its own to one width
h_l = block_l(h_{l-1}), causal, and blind to states that are not there,   l = 1..num_layers, `layers.encoder_layer`
z_0 = proj_to_clip_embeddings(norm_out(h at the learned token))
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion.layers import attention, encoder_layer, layer_norm, linear, multi_head, silu, time_embedding
from numpy_diffusion.layers.named import inside, store_gradients, store_inside, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.networks.prior.config import ASKED, EXTRA, PLACES, PriorConfig, block_name

NAMES: Final = encoder_layer.Names(
    "norm1", "attn1", multi_head.Names(), "norm3", "ff.net.0.proj", "ff.net.2"
)  # of diffusers' block
ACT: Final = "gelu"
STATES, TEXT, NOISED = "encoder_hidden_states_proj", "embedding_proj", "proj_in"
STEP_1, STEP_2 = "time_embedding.linear_1", "time_embedding.linear_2"
LAST, OUT = "norm_out", "proj_to_clip_embeddings"


class Told(NamedTuple):
    """The text, a row for each of N samples."""

    embedding: np.ndarray  # [N, E]
    states: np.ndarray  # [N, L, D]
    mask: np.ndarray  # bool [N, L], which of the states are there


def forward(
    params: parameters.Parameters, config: PriorConfig, x: np.ndarray, t: np.ndarray, told: Told
) -> tuple[np.ndarray, dict[str, Any]]:
    """z_0 [N, D] from the noised x [N, D] and t [N], in 1..T, and what `backward` needs."""
    caches: dict[str, Any] = {"blocks": [], "places": places(config, told.states.shape[1])}

    def through(layer: str, h: np.ndarray) -> np.ndarray:
        y, caches[layer] = linear.forward(h, *weight_and_bias(params, layer))
        return y

    step, caches["silu"] = silu.forward(through(STEP_1, embed(config, t, x.dtype)))
    tokens = through(TEXT, told.embedding), through(STEP_2, step), through(NOISED, x)
    asked = np.broadcast_to(params[ASKED], (len(x), 1, config.width))
    h = np.concatenate([through(STATES, told.states), np.stack(tokens, axis=1), asked], axis=1)
    h = h + params[PLACES][:, caches["places"]]
    mask = seen(told.mask)
    for number in range(config.num_layers):
        block = inside(params, block_name(number))
        h, cache = encoder_layer.forward(h, block, config.num_attention_heads, ACT, layer_norm.EPS, mask, NAMES)
        caches["blocks"].append(cache)
    h, caches[LAST] = layer_norm.forward(h[:, -1], *weight_and_bias(params, LAST))
    return through(OUT, h), caches


def backward(
    params: parameters.Parameters, dz: np.ndarray, caches: dict[str, Any]
) -> tuple[np.ndarray, parameters.Parameters]:
    """dx [N, D] and the gradient of every parameter, from dz [N, D]."""
    grads: parameters.Parameters = {}

    def through(layer: str, dh: np.ndarray) -> np.ndarray:
        return store_gradients(grads, layer, linear.backward(dh, caches[layer]))

    last = store_gradients(grads, LAST, layer_norm.backward(through(OUT, dz), caches[LAST]))
    tokens = caches["places"]
    dh = np.zeros((len(dz), len(tokens), last.shape[1]), dz.dtype)
    dh[:, -1] = last
    for number, cache in reversed(list(enumerate(caches["blocks"]))):
        dh, found = encoder_layer.backward(dh, cache, ACT)
        store_inside(grads, block_name(number), found)
    grads[PLACES] = np.zeros_like(params[PLACES])
    grads[PLACES][:, tokens] = dh.sum(axis=0, keepdims=True)
    grads[ASKED] = dh[:, -1:].sum(axis=0, keepdims=True)
    through(STATES, dh[:, :-EXTRA])
    through(TEXT, dh[:, -4])
    through(STEP_1, silu.backward(through(STEP_2, dh[:, -3]), caches["silu"]))
    return through(NOISED, dh[:, -2]), grads


def embed(config: PriorConfig, t: np.ndarray, dtype: Any) -> np.ndarray:
    """The numbers that stand for the steps t [N]: [N, width].  Step t here is diffusers' t - 1, as in the U-Net."""
    return time_embedding.forward(t - 1, config.width, dtype, flip_sin_to_cos=True, freq_shift=0.0)


def places(config: PriorConfig, length: int) -> np.ndarray:
    """Which positions the tokens have where the text has `length` states, the first and the last four: [length + 4].

    Examples
    --------
    >>> places(PriorConfig(), 2)
    array([ 0,  1, 77, 78, 79, 80])
    """
    return np.concatenate([np.arange(length), config.num_embeddings + np.arange(EXTRA)])


def seen(mask: np.ndarray) -> np.ndarray:
    """Which tokens each token sees: bool [N, L + 4, L + 4] from the states' mask [N, L].

    Those before it and itself; a state that is not there is seen by none.

    Examples
    --------
    >>> seen(np.array([[True, False]]))[0, [1, -1]].astype(int)
    array([[1, 0, 0, 0, 0, 0],
           [1, 0, 1, 1, 1, 1]])
    """
    there = np.pad(mask, [(0, 0), (0, EXTRA)], constant_values=True)
    return attention.causal(there.shape[1]) & there[:, None]
