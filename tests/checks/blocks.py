"""The gradients of the residual block and of both attention blocks."""

from __future__ import annotations

from typing import Literal

import numpy as np
from checks.gradcheck import errors, wrong
from checks.layer_gradients import drawn

from numpy_diffusion.layers import added_attention, attention_block, residual_block
from numpy_diffusion.layers.residual_block import Dropped, Resample

EPS = 0.1  # so large that differences are good where a group has few values, all much alike


Step = Literal["added", "scale and shift", "none"]


def residual_params(C: int, J: int, E: int, step: Step = "added") -> dict[str, np.ndarray]:
    weights: dict[str, tuple[int, ...]] = {"norm1": (C,), "conv1": (J, C, 3, 3)}
    if step != "none":
        weights["time_emb_proj"] = (J if step == "added" else 2 * J, E)
    weights |= {"norm2": (J,), "conv2": (J, J, 3, 3)}
    return drawn(1, **named(weights | ({"conv_shortcut": (J, C, 1, 1)} if C != J else {})))


def attention_params(C: int, E: int = 0, normed: bool = True) -> dict[str, np.ndarray]:
    """Small weights: the gradient of to_k.bias is exactly zero, and differences of a large loss round to more.

    With E, those of added states [N, M, E].
    """
    weights: dict[str, tuple[int, ...]] = {"group_norm": (C,)} if normed else {}
    weights |= {"to_q": (C, C), "to_k": (C, C), "to_v": (C, C), "to_out.0": (C, C)}
    weights |= {"add_k_proj": (C, E), "add_v_proj": (C, E)} if E else {}
    return {name: values / 4.0 for name, values in drawn(2, **named(weights)).items()}


def named(weights: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.{part}": shape if part == "weight" else shape[:1]
        for name, shape in weights.items()
        for part in ("weight", "bias")
    }


def check_residual(
    N: int = 2,
    C: int = 2,
    J: int = 4,
    H: int = 3,
    W: int = 2,
    dropped: bool = True,
    step: Step = "added",
    resample: Resample | None = None,
) -> None:
    factor = 1 if resample is None else 2
    given, params = drawn(0, x=(N, C, factor * H, factor * W)), residual_params(C, J, 3, step)
    if step != "none":
        given |= drawn(1, temb=(N, 3))
    draw = Dropped(0.3, 4, np.arange(N), 5, 6) if dropped else None
    temb = given.get("temb")
    forward = lambda: residual_block.forward(given["x"], temb, params, 1, EPS, draw, resample)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=forward()[0].shape)
    dx, dtemb, grads = residual_block.backward(dy, forward()[1])
    gradients = {"x": dx} | ({} if dtemb is None else {"temb": dtemb})
    assert wrong(errors(lambda: float((dy * forward()[0]).sum()), given | params, gradients | grads)) == []


def check_added(N: int = 2, heads: int = 2, d: int = 1, H: int = 2, W: int = 1, M: int = 3, E: int = 2) -> None:
    """Also that a state that must not be seen has no gradient."""
    given, params = drawn(0, x=(N, heads * d, H, W), states=(N, M, E)), attention_params(heads * d, E)
    mask = np.random.default_rng(4).random((N, M)) < 0.6
    forward = lambda: added_attention.forward(**given, params=params, groups=1, heads=heads, mask=mask)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, dstates, grads = added_attention.backward(dy, forward()[1])
    assert not dstates[~mask].any()
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx, "states": dstates} | grads)
    assert wrong(found) == []


def check_attention(N: int = 2, heads: int = 2, d: int = 1, H: int = 2, W: int = 3, normed: bool = True) -> None:
    given, params = drawn(0, x=(N, heads * d, H, W)), attention_params(heads * d, normed=normed)
    forward = lambda: attention_block.forward(**given, params=params, groups=1, eps=EPS, heads=heads)  # noqa: E731
    dy = np.random.default_rng(3).normal(size=given["x"].shape)
    dx, grads = attention_block.backward(dy, forward()[1])
    found = errors(lambda: float((dy * forward()[0]).sum()), given | params, {"x": dx} | grads)
    assert wrong(found) == []
