"""The gradients of a transformer's parts: layer norm, GEGLU, attention with a mask, its block, and that of an image."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.blocks import named
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import attention, geglu, gelu, layer_norm, spatial_transformer, transformer_block


def check_layer_norm(N: int = 2, L: int = 3, C: int = 4) -> None:
    forward = partial(layer_norm.forward, eps=0.1)  # so large that differences are good where channels are alike
    assert wrong_gradients(forward, layer_norm.backward, drawn(C, x=(N, L, C), weight=(C,), bias=(C,))) == []


def check_gelu(n: int = 9) -> None:
    assert wrong_gradients(gelu.forward, gelu.backward, drawn(n, x=(n,))) == []


def check_geglu(N: int = 2, C: int = 3) -> None:
    assert wrong_gradients(geglu.forward, geglu.backward, drawn(N + C, x=(N, 2 * C))) == []


def mask_of(N: int, K: int) -> np.ndarray:
    """Some marks, at least one in each row."""
    rng = np.random.default_rng(N + K)
    mask = rng.random((N, K)) < 0.5
    mask[np.arange(N), rng.integers(0, K, N)] = True
    return mask


def check_masked(N: int = 2, L: int = 3, K: int = 4, heads: int = 2, d: int = 2) -> None:
    """Other keys than queries, some of them not there."""
    arrays = drawn(N + L + K, q=(N, L, heads * d), k=(N, K, heads * d), v=(N, K, heads * d))
    forward = partial(attention.forward, heads=heads, mask=mask_of(N, K))
    assert wrong_gradients(forward, attention.backward, arrays) == []


def block_params(C: int, D: int) -> dict[str, np.ndarray]:
    weights = {"ff.net.0.proj": (8 * C, C), "ff.net.2": (C, 4 * C)} | {f"norm{k}": (C,) for k in (1, 2, 3)}
    weights |= {f"attn{k}.to_out.0": (C, C) for k in (1, 2)}
    params = named(weights)
    for k, inputs in ((1, C), (2, D)):
        params |= {f"attn{k}.to_q.weight": (C, C), f"attn{k}.to_k.weight": (C, inputs)}
        params |= {f"attn{k}.to_v.weight": (C, inputs)}
    return {name: values / 2.0 for name, values in drawn(3, **params).items()}


def check_block(N: int = 2, L: int = 3, K: int = 2, heads: int = 2, d: int = 2, D: int = 3) -> None:
    C, mask = heads * d, mask_of(N, K)
    given, params = drawn(0, x=(N, L, C), states=(N, K, D)), block_params(C, D)
    forward = lambda: transformer_block.forward(**given, mask=mask, params=params, heads=heads)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, dstates, grads = transformer_block.backward(dy, forward()[1])
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx, "states": dstates} | grads)
    assert wrong(found) == []


def image_params(C: int, D: int, blocks: int, window: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    params = drawn(4, **named({"norm": (C,), "proj_in": (C, C, *window), "proj_out": (C, C, *window)}))
    for k in range(blocks):
        params |= {f"transformer_blocks.{k}.{name}": values + k / 9 for name, values in block_params(C, D).items()}
    return params


def check_image(
    N: int = 2,
    H: int = 2,
    W: int = 2,
    K: int = 2,
    heads: int = 1,
    d: int = 2,
    blocks: int = 2,
    convolved: bool = True,
) -> None:
    C, D, mask = heads * d, 3, mask_of(N, K)
    given, params = (
        drawn(0, x=(N, C, H, W), states=(N, K, D)),
        image_params(C, D, blocks, (1, 1) if convolved else ()),
    )
    shown = given | {"mask": mask, "params": params, "groups": 1, "heads": heads}
    forward = lambda: spatial_transformer.forward(**shown)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, dstates, grads = spatial_transformer.backward(dy, forward()[1])
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx, "states": dstates} | grads)
    assert wrong(found) == []
