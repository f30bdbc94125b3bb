"""The layer norm as it is printed, and its gradient."""

from __future__ import annotations

from functools import partial

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import layer_norm


def arrays(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return drawn(len(shape), x=shape, weight=shape[-1:], bias=shape[-1:])


def check_gradients(shape: tuple[int, ...] = (2, 3, 4)) -> None:
    """With an eps so large that differences are good where a row has few values, all much alike."""
    assert wrong_gradients(partial(layer_norm.forward, eps=0.1), layer_norm.backward, arrays(shape)) == []


def check_values(shape: tuple[int, ...] = (2, 3, 4)) -> None:
    given = arrays(shape)
    x, weight, bias = given.values()
    y, _ = layer_norm.forward(**given, eps=0.01)
    for place in np.ndindex(shape[:-1]):
        row = x[place]
        expected = (row - row.mean()) / np.sqrt(row.var() + 0.01) * weight + bias
        np.testing.assert_allclose(y[place], expected, rtol=1e-12, atol=1e-12)
