"""Rows of length 1, and the gradient."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import unit_length


def check_gradient(*shape: int) -> None:
    assert wrong_gradients(unit_length.forward, unit_length.backward, drawn(0, x=shape or (2, 3))) == []


def check_values(*shape: int) -> None:
    x = drawn(0, x=shape or (2, 3))["x"]
    y, _ = unit_length.forward(x)
    np.testing.assert_allclose(np.linalg.norm(y, axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(y * np.linalg.norm(x, axis=-1, keepdims=True), x, rtol=1e-12)
