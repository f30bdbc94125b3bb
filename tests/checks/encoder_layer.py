"""The gradient of the layer of CLIP's encoders."""

from __future__ import annotations

from typing import get_args

import numpy as np
from checks.blocks import named
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn

from numpy_diffusion.layers import attention, encoder_layer

EPS = 0.1  # so large that differences are good where a row has few values, all much alike


def layer_params(D: int, J: int) -> dict[str, np.ndarray]:
    """Small weights: the gradient of k_proj.bias is exactly zero, and differences of a large loss round to more."""
    weights = {"layer_norm1": (D,), "layer_norm2": (D,), "mlp.fc1": (J, D), "mlp.fc2": (D, J)}
    weights |= {f"self_attn.{part}_proj": (D, D) for part in ("q", "k", "v", "out")}
    return {name: values / 4.0 for name, values in drawn(2, **named(weights)).items()}


def check_encoder_layer(
    N: int = 2, L: int = 3, heads: int = 2, d: int = 2, act: encoder_layer.Activation = "gelu", causal: bool = True
) -> None:
    given, params = drawn(0, x=(N, L, heads * d)), layer_params(heads * d, 5)
    mask = attention.causal(L) if causal else None
    forward = lambda: encoder_layer.forward(**given, params=params, heads=heads, act=act, eps=EPS, mask=mask)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, grads = encoder_layer.backward(dy, forward()[1], act)
    assert wrong(errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx} | grads)) == []


def check_activations_differ() -> None:
    x, params = drawn(0, x=(1, 4, 4))["x"], layer_params(4, 6)
    found = [encoder_layer.forward(x, params, 2, act, EPS)[0] for act in get_args(encoder_layer.Activation)]
    assert all(np.abs(one - two).max() > 1e-6 for one in found for two in found if one is not two)
