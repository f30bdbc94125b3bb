"""The gradient of dropout."""

from __future__ import annotations

from functools import partial

from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import dropout


def check_gradients(probability: float = 0.4) -> None:
    drawing = dict(probability=probability, seed=5, samples=[3, 1], step=9, number=2)
    assert wrong_gradients(partial(dropout.forward, **drawing), dropout.backward, drawn(0, x=(2, 3, 2, 3))) == []
