"""The convolution against the sum that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from checks.conv import Sizes, arrays, check_gradients, check_values
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.layers import conv

FLAT = settings(deadline=None, max_examples=30)
SMALL, SIDE, KERNEL, SEED = st.integers(1, 3), st.integers(1, 5), st.sampled_from([1, 3]), st.integers(0, 10_000)
STRIDE, PAD = st.integers(1, 2), st.sampled_from([(0, 0), (1, 1), (0, 1), (2, 1)])


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
