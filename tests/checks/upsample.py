"""The gradient of the upsampling."""

from __future__ import annotations

from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import upsample


def check_gradients(shape: tuple[int, ...] = (2, 1, 3, 4)) -> None:
    arrays = drawn(0, x=shape)
    assert wrong_gradients(lambda x: (upsample.forward(x), None), lambda dy, _: upsample.backward(dy), arrays) == []
