"""The convolution against the sum that it stands for."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_gradients import drawn, wrong_gradients

from numpy_diffusion.layers import conv

FLAT = settings(deadline=None, max_examples=30)
SMALL, SIDE, KERNEL, SEED = st.integers(1, 3), st.integers(1, 5), st.sampled_from([1, 3]), st.integers(0, 10_000)
STRIDE, PAD = st.integers(1, 2), st.sampled_from([(0, 0), (1, 1), (0, 1), (2, 1)])
Sizes = tuple[int, int, int, int, int]


def arrays(sizes: Sizes, k: int, seed: int = 0) -> dict[str, np.ndarray]:
    N, C, J, H, W = sizes
    return drawn(seed, x=(N, C, H, W), weight=(J, C, k, k), bias=(J,))


def as_printed(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: tuple[int, int]) -> np.ndarray:
    """One pixel, one tap at a time; what lies outside of x is zero."""
    (N, C, H, W), (J, _, k, _) = x.shape, weight.shape
    R, S = ((n + sum(pad) - k) // stride + 1 for n in (H, W))
    y = np.zeros((N, J, R, S))
    for n, j, r, s in np.ndindex(y.shape):
        y[n, j, r, s] = bias[j]
        for c, a, b in np.ndindex(C, k, k):
            row, column = r * stride + a - pad[0], s * stride + b - pad[0]
            if 0 <= row < H and 0 <= column < W:
                y[n, j, r, s] += weight[j, c, a, b] * x[n, c, row, column]
    return y


def check_gradients(
    sizes: Sizes = (2, 3, 2, 5, 4), k: int = 3, stride: int = 2, pad: tuple[int, int] = (0, 1)
) -> None:
    forward = partial(conv.forward, stride=stride, pad=pad)
    assert wrong_gradients(forward, conv.backward, arrays(sizes, k)) == []


def check_values(sizes: Sizes = (2, 3, 2, 5, 4), k: int = 3, stride: int = 2, pad: tuple[int, int] = (0, 1)) -> None:
    given = arrays(sizes, k)
    y, _ = conv.forward(**given, stride=stride, pad=pad)
    expected = as_printed(**given, stride=stride, pad=pad)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13 * (1 + 9 * sizes[1]))


@FLAT
@given(st.tuples(SMALL, SMALL, SMALL, SIDE, SIDE), KERNEL, STRIDE, PAD)
def test_values_and_gradients(sizes: Sizes, k: int, stride: int, pad: tuple[int, int]) -> None:
    if min(sizes[3:]) + sum(pad) >= k:
        check_values(sizes, k, stride, pad)
        check_gradients(sizes, k, stride, pad)


@pytest.mark.parametrize("side", [4, 5, 6, 7])
def test_a_halving_of_either_kind(side: int) -> None:
    """Pad (1, 1) rounds up and pad (0, 1) rounds down, as diffusers' two ways of downsampling."""
    given = arrays((1, 1, 1, side, side), 3)
    assert conv.forward(**given, stride=2, pad=(1, 1))[0].shape[2:] == (-(-side // 2),) * 2
    assert conv.forward(**given, stride=2, pad=(0, 1))[0].shape[2:] == (side // 2,) * 2


def test_float32_stays_float32() -> None:
    given = {name: values.astype(np.float32) for name, values in arrays((2, 3, 4, 5, 6), 3).items()}
    y, cache = conv.forward(**given)
    assert {y.dtype, *(gradient.dtype for gradient in conv.backward(y, cache))} == {np.dtype(np.float32)}
