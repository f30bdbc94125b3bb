"""Gradients of the layers of a text encoder."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.blocks import named
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import attention, encoder_layer, gelu_tanh, quick_gelu, token_embedding

EPS = 0.1  # so large that differences are good where a row has few values, all much alike


def check_quick_gelu(shape: tuple[int, ...] = (3, 2)) -> None:
    assert wrong_gradients(quick_gelu.forward, quick_gelu.backward, drawn(0, x=shape)) == []


def check_gelu_tanh(shape: tuple[int, ...] = (3, 2)) -> None:
    assert wrong_gradients(gelu_tanh.forward, gelu_tanh.backward, drawn(0, x=shape)) == []


def check_causal_attention(N: int = 2, L: int = 4, heads: int = 2, d: int = 2) -> None:
    """The first places' answer is that to the first places alone, and the gradient is one."""
    given = drawn(N + L, q=(N, L, heads * d), k=(N, L, heads * d), v=(N, L, heads * d))
    forward = partial(attention.forward, heads=heads, causal=True)
    o, _ = forward(**given)
    for length in range(1, L + 1):
        alone, _ = forward(**{name: values[:, :length] for name, values in given.items()})
        np.testing.assert_allclose(alone, o[:, :length], rtol=1e-12, atol=1e-14)
        last, _ = attention.forward(
            given["q"][:, length - 1 : length], *(given[part][:, :length] for part in "kv"), heads
        )
        np.testing.assert_allclose(alone[:, -1:], last, rtol=1e-12, atol=1e-14)
    assert wrong_gradients(forward, attention.backward, given) == []


def check_token_embedding(N: int = 2, L: int = 3, more: int = 1) -> None:
    """There are fewer tokens than places in the texts, so that one stands there twice."""
    ids = np.random.default_rng([N, L]).integers(0, 3, (N, L))
    given = drawn(0, tokens=(3, 4), places=(L + more, 4))
    forward = lambda tokens, places: token_embedding.forward(ids, tokens, places)  # noqa: E731
    assert wrong_gradients(forward, token_embedding.backward, given) == []


def layer_params(D: int, J: int) -> dict[str, np.ndarray]:
    """Small weights: the gradient of k_proj.bias is exactly zero, and differences of a large loss round to more."""
    weights = {"layer_norm1": (D,), "layer_norm2": (D,), "mlp.fc1": (J, D), "mlp.fc2": (D, J)}
    weights |= {f"self_attn.{part}_proj": (D, D) for part in ("q", "k", "v", "out")}
    return {name: values / 4.0 for name, values in drawn(2, **named(weights)).items()}


def check_encoder_layer(
    N: int = 2, L: int = 3, heads: int = 2, d: int = 2, act: encoder_layer.Activation = "gelu", causal: bool = True
) -> None:
    given, params = drawn(0, x=(N, L, heads * d)), layer_params(heads * d, 5)
    forward = lambda: encoder_layer.forward(**given, params=params, heads=heads, act=act, eps=EPS, causal=causal)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, grads = encoder_layer.backward(dy, forward()[1], act)
    assert wrong(errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx} | grads)) == []
