"""The group norm as it is printed, and its gradient."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import group_norm


def arrays(N: int, C: int, pixels: tuple[int, ...]) -> dict[str, np.ndarray]:
    return drawn(N + C, x=(N, C, *pixels), weight=(C,), bias=(C,))


def check_gradients(N: int = 2, groups: int = 2, each: int = 2, pixels: tuple[int, ...] = (3, 4)) -> None:
    """With an eps so large that differences are good where a group has few values, all much alike."""
    forward = partial(group_norm.forward, groups=groups, eps=0.1)
    assert wrong_gradients(forward, group_norm.backward, arrays(N, groups * each, pixels)) == []


def check_values(N: int = 2, groups: int = 2, each: int = 2, pixels: tuple[int, ...] = (3, 4)) -> None:
    given = arrays(N, groups * each, pixels)
    x, weight, bias = given.values()
    y, _ = group_norm.forward(**given, groups=groups, eps=0.01)
    for n, c in np.ndindex(x.shape[:2]):
        group = x[n, c - c % each : c - c % each + each]
        expected = (x[n, c] - group.mean()) / np.sqrt(group.var() + 0.01) * weight[c] + bias[c]
        np.testing.assert_allclose(y[n, c], expected, rtol=1e-12, atol=1e-12)
