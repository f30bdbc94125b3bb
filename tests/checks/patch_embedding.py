"""An image as a sequence: each patch by itself, and the gradients."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import patch_embedding


def given(N: int, C: int, D: int, P: int, rows: int, columns: int) -> dict[str, np.ndarray]:
    shapes = dict(x=(N, C, rows * P, columns * P), patch=(D, C, P, P), token=(D,), position=(1 + rows * columns, D))
    return drawn(0, **shapes)


def check_gradients(N: int = 2, C: int = 2, D: int = 3, P: int = 2, rows: int = 2, columns: int = 3) -> None:
    arrays = given(N, C, D, P, rows, columns)
    assert wrong_gradients(patch_embedding.forward, patch_embedding.backward, arrays) == []


def check_values(N: int = 2, C: int = 2, D: int = 3, P: int = 2, rows: int = 2, columns: int = 3) -> None:
    arrays = given(N, C, D, P, rows, columns)
    x, patch, token, position = arrays.values()
    y, _ = patch_embedding.forward(**arrays)
    assert y.shape == (N, 1 + rows * columns, D)
    np.testing.assert_allclose(y[:, 0] - position[0], np.tile(token, (N, 1)), atol=1e-12)
    for n, row, column in np.ndindex(N, rows, columns):
        seen = x[n, :, row * P : (row + 1) * P, column * P : (column + 1) * P]
        place = 1 + row * columns + column
        np.testing.assert_allclose(y[n, place], (patch * seen).sum(axis=(1, 2, 3)) + position[place], atol=1e-12)
