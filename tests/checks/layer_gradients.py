"""A layer's `backward` against central differences of its `forward`, for every array that goes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from checks.gradcheck import errors, wrong


def wrong_gradients(
    forward: Callable[..., tuple[np.ndarray, Any]], backward: Callable[..., Any], arrays: dict[str, np.ndarray]
) -> list[str]:
    """Arrays whose gradient is wrong: forward(**arrays) -> y, cache; backward(dy, cache) gives them in that order."""
    y, cache = forward(**arrays)
    dy = np.random.default_rng(y.size).normal(size=y.shape)
    found = backward(dy, cache)
    gradients = dict(zip(arrays, found if isinstance(found, tuple) else (found,), strict=True))
    return wrong(errors(lambda: float((dy * forward(**arrays)[0]).sum()), arrays, gradients))


def drawn(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Normal numbers of each shape, float64."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}
