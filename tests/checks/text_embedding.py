"""Tokens in their places, and the gradient of both tables."""

from __future__ import annotations

import numpy as np
from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import text_embedding

IDS = ((2, 0, 2), (1, 2, 1))


def tables() -> dict[str, np.ndarray]:
    return drawn(0, token=(4, 3), position=(5, 3))


def check_gradients(ids: tuple[tuple[int, ...], ...] = IDS) -> None:
    forward = lambda token, position: text_embedding.forward(np.array(ids), token, position)  # noqa: E731
    assert wrong_gradients(forward, text_embedding.backward, tables()) == []


def check_values(ids: tuple[tuple[int, ...], ...] = IDS) -> None:
    given = tables()
    y, _ = text_embedding.forward(np.array(ids), **given)
    for n, place in np.ndindex(y.shape[:2]):
        np.testing.assert_array_equal(y[n, place], given["token"][ids[n][place]] + given["position"][place])
