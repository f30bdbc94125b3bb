"""The residual block and the attention block: gradients of every array, and what they are at zero weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradcheck import errors, wrong
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_gradients import drawn

from numpy_diffusion.layers import attention_block, residual_block, silu
from numpy_diffusion.layers.residual_block import Dropped

FLAT = settings(deadline=None, max_examples=10)
SMALL, SIDE = st.integers(1, 2), st.integers(1, 3)
EPS = 0.1  # so large that differences are good where a group has few values, all much alike


def residual_params(C: int, J: int, E: int) -> dict[str, np.ndarray]:
    weights = {"norm1": (C,), "conv1": (J, C, 3, 3), "time_emb_proj": (J, E), "norm2": (J,), "conv2": (J, J, 3, 3)}
    return drawn(1, **named(weights | ({"conv_shortcut": (J, C, 1, 1)} if C != J else {})))


def attention_params(C: int) -> dict[str, np.ndarray]:
    """Small weights: the gradient of to_k.bias is exactly zero, and differences of a large loss round to more."""
    weights = {"group_norm": (C,), "to_q": (C, C), "to_k": (C, C), "to_v": (C, C), "to_out.0": (C, C)}
    return {name: values / 4.0 for name, values in drawn(2, **named(weights)).items()}


def named(weights: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.{part}": shape if part == "weight" else shape[:1]
        for name, shape in weights.items()
        for part in ("weight", "bias")
    }


def check_residual(N: int = 2, C: int = 2, J: int = 4, H: int = 3, W: int = 2, dropped: bool = True) -> None:
    given, params = drawn(0, x=(N, C, H, W), temb=(N, 3)), residual_params(C, J, 3)
    draw = Dropped(0.3, 4, np.arange(N), 5, 6) if dropped else None
    forward = lambda: residual_block.forward(**given, params=params, groups=1, eps=EPS, dropped=draw)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=(N, J, H, W))
    dx, dtemb, grads = residual_block.backward(dy, forward()[1])
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx, "temb": dtemb} | grads)
    assert wrong(found) == []


def check_attention(N: int = 2, heads: int = 2, d: int = 1, H: int = 2, W: int = 3) -> None:
    given, params = drawn(0, x=(N, heads * d, H, W)), attention_params(heads * d)
    forward = lambda: attention_block.forward(**given, params=params, groups=1, eps=EPS, heads=heads)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, grads = attention_block.backward(dy, forward()[1])
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx} | grads)
    assert wrong(found) == []


@FLAT
@given(N=SMALL, C=SMALL, J=SMALL, H=SIDE, W=SIDE, dropped=st.booleans())
def test_gradients_of_the_residual_block(**sizes: Any) -> None:
    check_residual(**sizes)


@FLAT
@given(N=SMALL, heads=SMALL, d=SMALL, H=SIDE, W=SIDE)
def test_gradients_of_the_attention_block(**sizes: Any) -> None:
    check_attention(**sizes)


@pytest.mark.parametrize("J", [2, 4])
def test_a_residual_block_is_its_shortcut_and_what_the_last_convolution_adds(J: int) -> None:
    given, params = drawn(0, x=(2, 2, 3, 3), temb=(2, 3)), residual_params(2, J, 3)
    params["conv2.weight"][:] = 0.0
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS)
    shortcut = given["x"]
    if J != 2:
        weight, bias = params["conv_shortcut.weight"][:, :, 0, 0], params["conv_shortcut.bias"]
        shortcut = np.einsum("jc,nchw->njhw", weight, shortcut) + bias[:, None, None]
    np.testing.assert_allclose(y, shortcut + params["conv2.bias"][:, None, None], rtol=1e-12, atol=1e-12)


def test_the_step_moves_whole_channels_before_the_second_norm() -> None:
    """With a kernel of zeros, h is the step's bias alone: constant over pixels, and normed over channels."""
    given, params = drawn(0, x=(2, 2, 3, 3), temb=(2, 3)), residual_params(2, 2, 3)
    params["conv1.weight"][:] = 0.0
    params["conv2.weight"][:] = np.eye(2)[:, :, None, None] * np.eye(3)[1][:, None] * np.eye(3)[1]  # the identity
    y, _ = residual_block.forward(**given, params=params, groups=1, eps=EPS)
    a = silu.forward(given["temb"])[0] @ params["time_emb_proj.weight"].T + params["time_emb_proj.bias"]
    h = a + params["conv1.bias"]
    z = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + EPS)
    h = silu.forward(z * params["norm2.weight"] + params["norm2.bias"])[0] + params["conv2.bias"]
    np.testing.assert_allclose(y - given["x"], np.broadcast_to(h[:, :, None, None], y.shape), atol=1e-12)


def test_attention_does_not_mind_the_order_of_pixels() -> None:
    x, params = drawn(0, x=(1, 4, 2, 3))["x"], attention_params(4)
    y, _ = attention_block.forward(x, params, 2, EPS, 2)
    turned, _ = attention_block.forward(x[:, :, ::-1, ::-1], params, 2, EPS, 2)
    np.testing.assert_allclose(turned[:, :, ::-1, ::-1], y, atol=1e-12)
