"""The gradients of the upsampling, and of the means that undo it."""

from __future__ import annotations

from checks.layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import downsample, upsample


def check_gradients(shape: tuple[int, ...] = (2, 1, 3, 4)) -> None:
    arrays = drawn(0, x=shape)
    assert wrong_gradients(lambda x: (upsample.forward(x), None), lambda dy, _: upsample.backward(dy), arrays) == []


def check_means(N: int = 2, C: int = 1, H: int = 2, W: int = 3) -> None:
    arrays = drawn(0, x=(N, C, 2 * H, 2 * W))
    assert (
        wrong_gradients(lambda x: (downsample.forward(x), None), lambda dy, _: downsample.backward(dy), arrays) == []
    )
