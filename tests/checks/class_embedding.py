"""The gradient of the class embedding."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import class_embedding


def check_gradients(labels: tuple[int, ...] = (2, 0, 2)) -> None:
    given = drawn(0, weight=(4, 3))
    forward = lambda weight: class_embedding.forward(np.array(labels), weight)  # noqa: E731
    assert wrong_gradients(forward, class_embedding.backward, given) == []
