"""The gradients of the residual and the attention block."""

from __future__ import annotations

from typing import Literal

import numpy as np
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn

from numpy_diffusion.layers import attention_block, residual_block
from numpy_diffusion.layers.residual_block import Dropped

EPS = 0.1  # so large that differences are good where a group has few values, all much alike


Step = Literal["added", "scale and shift", "none"]


def residual_params(C: int, J: int, E: int, step: Step = "added") -> dict[str, np.ndarray]:
    weights: dict[str, tuple[int, ...]] = {"norm1": (C,), "conv1": (J, C, 3, 3)}
    if step != "none":
        weights["time_emb_proj"] = (J if step == "added" else 2 * J, E)
    weights |= {"norm2": (J,), "conv2": (J, J, 3, 3)}
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


def check_residual(
    N: int = 2, C: int = 2, J: int = 4, H: int = 3, W: int = 2, dropped: bool = True, step: Step = "added"
) -> None:
    given, params = drawn(0, x=(N, C, H, W)), residual_params(C, J, 3, step)
    if step != "none":
        given |= drawn(1, temb=(N, 3))
    draw = Dropped(0.3, 4, np.arange(N), 5, 6) if dropped else None
    temb = given.get("temb")
    forward = lambda: residual_block.forward(given["x"], temb, params, 1, EPS, draw)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=(N, J, H, W))
    dx, dtemb, grads = residual_block.backward(dy, forward()[1])
    gradients = {"x": dx} | ({} if dtemb is None else {"temb": dtemb})
    assert wrong(errors(lambda: float((dy * forward()[0]).sum()), given | params, gradients | grads)) == []


def check_attention(N: int = 2, heads: int = 2, d: int = 1, H: int = 2, W: int = 3) -> None:
    given, params = drawn(0, x=(N, heads * d, H, W)), attention_params(heads * d)
    forward = lambda: attention_block.forward(**given, params=params, groups=1, eps=EPS, heads=heads)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, grads = attention_block.backward(dy, forward()[1])
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx} | grads)
    assert wrong(found) == []
