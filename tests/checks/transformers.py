"""The gradients of multi-head attention, of the transformer block, and of an image's pixels through such blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from checks.attention import drawn_mask
from checks.blocks import named
from checks.gradcheck import errors, projected_errors, wrong
from checks.layer_gradients import drawn

from numpy_diffusion.layers import multi_head, spatial_transformer, transformer_block

Params = dict[str, np.ndarray]


def multi_head_params(D: int, C: int, inner: int, biases: bool, names: multi_head.Names, start: str = "") -> Params:
    """Small weights, as the gradient of the keys' bias is zero: differences of a large loss round to more."""
    weights = {names.q: (inner, D), names.k: (inner, C), names.v: (inner, C), names.out: (D, inner)}
    found = drawn(2, **named(weights))
    if not biases:
        found = {name: values for name, values in found.items() if name.endswith("weight") or names.out in name}
    return {start + name: values / 4.0 for name, values in found.items()}


def block_params(D: int, C: int, wide: int = 3, start: str = "") -> Params:
    norms = {f"norm{number}": (D,) for number in (1, 2, 3)}
    found = drawn(3, **named(norms | {"ff.net.0.proj": (2 * wide, D), "ff.net.2": (D, wide)}))
    found |= multi_head_params(D, D, D, False, multi_head.Names(), "attn1.")
    found |= multi_head_params(D, C, D, False, multi_head.Names(), "attn2.")
    return {start + name: values for name, values in found.items()}


def spatial_params(C: int, E: int, inner: int, depth: int, linear: bool) -> Params:
    pixel = () if linear else (1, 1)
    found = drawn(4, **named({"norm": (C,), "proj_in": (inner, C, *pixel), "proj_out": (C, inner, *pixel)}))
    for number in range(depth):
        found |= block_params(inner, E, 3, f"transformer_blocks.{number}.")
    return found


def check(
    forward: Callable[[], tuple[np.ndarray, Any]],
    backward: Any,
    given: Params,
    params: Params,
    errors: Callable[..., dict[str, float]] = errors,
) -> None:
    """backward(dy, cache) gives a gradient for each of `given`, or None, and those of `params`."""
    y, cache = forward()
    dy = np.random.default_rng(5).normal(size=y.shape)
    *found, grads = backward(dy, cache)
    gradients = dict(zip(given, [gradient for gradient in found if gradient is not None], strict=True)) | grads
    assert wrong(errors(lambda: float((dy * forward()[0]).sum()), given | params, gradients)) == []


def check_multi_head(
    N: int = 2,
    L: int = 3,
    M: int = 2,
    heads: int = 2,
    context: bool = True,
    masked: bool = True,
    biases: bool = False,
    names: multi_head.Names = multi_head.Names(),  # noqa: B008 - immutable
) -> None:
    given = drawn(0, x=(N, L, 3)) | (drawn(1, context=(N, M, 2)) if context else {})
    params = multi_head_params(3, 2 if context else 3, heads * 2, biases, names)
    mask = drawn_mask(N, L, M if context else L) if masked else None
    forward = lambda: multi_head.forward(given["x"], given.get("context"), params, heads, mask, names)  # noqa: E731
    check(forward, multi_head.backward, given, params)


def check_block(N: int = 2, L: int = 2, M: int = 3, heads: int = 1, masked: bool = True) -> None:
    given, params = drawn(0, x=(N, L, 4), context=(N, M, 2)), block_params(4, 2)
    mask = drawn_mask(N, M) if masked else None
    check(
        lambda: transformer_block.forward(**given, params=params, heads=heads, mask=mask),
        transformer_block.backward,
        given,
        params,
    )


def check_spatial(
    N: int = 1, H: int = 2, W: int = 2, heads: int = 2, depth: int = 1, linear: bool = False, masked: bool = True
) -> None:
    given, params = drawn(0, x=(N, 6, H, W), context=(N, 3, 2)), spatial_params(6, 2, 4, depth, linear)
    mask = drawn_mask(N, 3) if masked else None
    check(
        lambda: spatial_transformer.forward(**given, params=params, groups=2, heads=heads, mask=mask),
        spatial_transformer.backward,
        given,
        params,
        projected_errors,
    )


def check_hidden_context(heads: int = 2) -> None:
    """A context that may not be seen does not matter, nor how long it is."""
    given, params = drawn(0, x=(2, 3, 3), context=(2, 5, 2)), multi_head_params(3, 2, 4, False, multi_head.Names())
    seen = (2, 4)
    mask = np.arange(5) < np.array(seen)[:, None]
    y, _ = multi_head.forward(**given, params=params, heads=heads, mask=mask[:, None])
    for n in range(2):
        alone, _ = multi_head.forward(given["x"][n : n + 1], given["context"][n : n + 1, : seen[n]], params, heads)
        np.testing.assert_allclose(y[n : n + 1], alone, rtol=1e-12)


def check_hidden_from_block() -> None:
    given, params = drawn(0, x=(2, 3, 4), context=(2, 5, 2)), block_params(4, 2)
    y, _ = transformer_block.forward(**given, params=params, heads=2, mask=np.arange(5) < np.array([[3], [3]]))
    alone, _ = transformer_block.forward(given["x"], given["context"][:, :3], params, 2)
    np.testing.assert_allclose(y, alone, rtol=1e-12)
