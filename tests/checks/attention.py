"""The gradient of attention."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import attention


def arrays(N: int, L: int, M: int, C: int) -> dict[str, np.ndarray]:
    return drawn(N + L + C, q=(N, L, C), k=(N, M, C), v=(N, M, C))


def drawn_mask(*shape: int) -> np.ndarray:
    """About two of three may be seen; by some queries none."""
    return np.random.default_rng(sum(shape)).random(shape) < 0.7


def check_gradients(N: int = 2, L: int = 5, M: int = 5, heads: int = 2, d: int = 3, masked: bool = True) -> None:
    forward = partial(attention.forward, heads=heads, mask=drawn_mask(N, L, M) if masked else None)
    assert wrong_gradients(forward, attention.backward, arrays(N, L, M, heads * d)) == []


def check_values(N: int = 2, L: int = 5, M: int = 5, heads: int = 2, d: int = 3, masked: bool = True) -> None:
    """One query at a time, over the keys that it may see; zeros where there is none."""
    given, mask = arrays(N, L, M, heads * d), drawn_mask(N, L, M)
    o, _ = attention.forward(**given, heads=heads, mask=mask if masked else None)
    for n, i, head in np.ndindex(N, L, heads):
        q, k, v = (part[n, :, head * d : head * d + d] for part in given.values())
        weights = np.exp([q[i] @ key / np.sqrt(d) for key in k])
        if masked:
            weights *= mask[n, i]
        expected = weights @ v / weights.sum() if weights.any() else np.zeros(d)
        np.testing.assert_allclose(o[n, i, head * d : head * d + d], expected, rtol=0, atol=1e-13)
