"""The U-Net in NumPy: forward and backward, which walk over `program.program`, a line or two a kind of operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from numpy_diffusion.layers import (
    added_attention,
    attention_block,
    conv,
    group_norm,
    residual_block,
    silu,
    spatial_transformer,
    upsample,
)
from numpy_diffusion.layers.named import inside, store_gradients, store_inside, weight_and_bias
from numpy_diffusion.models import parameters
from numpy_diffusion.models.tasks import Dropout
from numpy_diffusion.networks.unet import embedding
from numpy_diffusion.networks.unet.config import Config
from numpy_diffusion.networks.unet.program import Op, norm_out, program, unknown


class Told(NamedTuple):
    """What the samples are told beside their steps, as far as the network takes it."""

    labels: np.ndarray | None = None  # classes [N]
    embedding: np.ndarray | None = None  # [N, E]
    states: np.ndarray | None = None  # what is attended to, an encoded text [N, L, D]
    mask: np.ndarray | None = None  # which of them are there, bool [N, L]


NOTHING = Told()
RESAMPLE: Final[dict[str, residual_block.Resample]] = {"resnet_down": "down", "resnet_up": "up"}


def forward(
    params: parameters.Parameters,
    config: Config,
    x: np.ndarray,
    t: np.ndarray,
    told: Told = NOTHING,
    dropout: Dropout | None = None,
) -> tuple[np.ndarray, list[Any]]:
    """The outputs [N, J, H, W], eps first, and the cache of every operation.

    Parameters
    ----------
    params, config : of a `UNet`
    x : [N, C, H, W], in the parameters' dtype, as are the numbers of `told`
    t : steps [N]
    dropout : what is dropped, in training; without, nothing is.  A dropout's number is its block's place in the
        program
    """
    temb, temb_cache = embedding.forward(params, config, t, told.labels, x.dtype, told.embedding)
    h, caches = walk(params, config, program(config), x, temb, told, dropout)
    return h, [temb_cache, *caches]


def walk(
    params: parameters.Parameters,
    config: Config,
    ops: Sequence[Op],
    h: np.ndarray,
    temb: np.ndarray | None = None,
    told: Told = NOTHING,
    dropout: Dropout | None = None,
) -> tuple[np.ndarray, list[Any]]:
    """What the operations make of h [N, C, H, W], and the cache of each; temb [N, E] if it is told steps."""
    groups, eps = config.norm_num_groups, config.norm_eps
    skips: list[np.ndarray] = []
    caches: list[Any] = []
    for number, op in enumerate(ops):
        cache: Any = None
        match op.kind:
            case "save":
                skips.append(h)
            case "concat":
                h = np.concatenate([h, skips.pop()], axis=1)
            case "resnet" | "resnet_down" | "resnet_up":
                dropped, own = None, inside(params, op.name)
                if dropout is not None and config.dropout > 0.0:
                    dropped = residual_block.Dropped(config.dropout, *dropout, number)
                h, cache = residual_block.forward(h, temb, own, groups, eps, dropped, RESAMPLE.get(op.kind))
            case "attention":
                h, cache = attention_block.forward(h, inside(params, op.name), groups, eps, op.heads)
            case "added_attention":
                assert told.states is not None
                own = inside(params, op.name)
                h, cache = added_attention.forward(h, told.states, own, groups, op.heads, told.mask)
            case "transformer":
                assert told.states is not None
                own = inside(params, op.name)
                h, cache = spatial_transformer.forward(h, told.states, own, groups, op.heads, told.mask)
            case "downsample":
                h, cache = conv.forward(
                    h, *weight_and_bias(params, op.name), stride=2, pad=(config.downsample_padding, 1)
                )
            case "upsample":
                h, cache = conv.forward(upsample.forward(h), *weight_and_bias(params, op.name))
            case "pointwise":
                h, cache = conv.forward(h, *weight_and_bias(params, op.name), pad=(0, 0))
            case "conv_in":
                h, cache = conv.forward(h, *weight_and_bias(params, op.name))
            case "conv_out":
                h, norm_cache = group_norm.forward(h, *weight_and_bias(params, norm_out(op)), groups, eps)
                h, silu_cache = silu.forward(h)
                h, conv_cache = conv.forward(h, *weight_and_bias(params, op.name))
                cache = norm_cache, silu_cache, conv_cache
            case _:
                unknown(op.kind)
        caches.append(cache)
    return np.ascontiguousarray(h), caches


def backward(
    params: parameters.Parameters, config: Config, doutputs: np.ndarray, caches: list[Any]
) -> tuple[np.ndarray, Told, parameters.Parameters]:
    """dx [N, C, H, W], the gradients by embedding and states where these are told, and that by every parameter.

    From doutputs [N, J, H, W].
    """
    temb_cache, *caches = caches
    dx, dtemb, dstates, grads = walk_back(program(config), doutputs, caches)
    dembedding, of_embedding = embedding.backward(dtemb, temb_cache)
    grads |= of_embedding
    return dx, Told(embedding=dembedding, states=dstates), {name: grads[name] for name in params}


def walk_back(
    ops: Sequence[Op], dh: np.ndarray, caches: list[Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, parameters.Parameters]:
    """The gradients by what went into `walk`, h, temb and states, and by the parameters, from dh by what came out."""
    grads: parameters.Parameters = {}
    dtemb = np.zeros((1, 1), dh.dtype)
    dskips: list[np.ndarray] = []
    dstates: np.ndarray | None = None
    for op, cache in zip(reversed(ops), reversed(caches), strict=True):
        own: parameters.Parameters = {}
        match op.kind:
            case "save":
                dh = dh + dskips.pop()
            case "concat":
                dskips.append(dh[:, op.inputs :])
                dh = dh[:, : op.inputs]
            case "resnet" | "resnet_down" | "resnet_up":
                dh, dtemb_here, own = residual_block.backward(dh, cache)
                dtemb = dtemb if dtemb_here is None else dtemb + dtemb_here
            case "attention":
                dh, own = attention_block.backward(dh, cache)
            case "added_attention" | "transformer":
                back = added_attention.backward if op.kind == "added_attention" else spatial_transformer.backward
                dh, dstates_here, own = back(dh, cache)
                dstates = dstates_here if dstates is None else dstates + dstates_here
            case "upsample":
                dh = upsample.backward(store_gradients(grads, op.name, conv.backward(dh, cache)))
            case "downsample" | "conv_in" | "pointwise":
                dh = store_gradients(grads, op.name, conv.backward(dh, cache))
            case "conv_out":
                norm_cache, silu_cache, conv_cache = cache
                dh = silu.backward(store_gradients(grads, op.name, conv.backward(dh, conv_cache)), silu_cache)
                dh = store_gradients(grads, norm_out(op), group_norm.backward(dh, norm_cache))
            case _:
                unknown(op.kind)
        store_inside(grads, op.name, own)
    return dh, dtemb, dstates, grads
