"""The convolution in bfloat16: what it rounds, and what it does not."""

from __future__ import annotations

import numpy as np
from checks.bfloat16 import nearest

from numpy_diffusion.layers import bfloat16_conv, conv


def drawn(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def test_products_are_of_rounded_numbers_and_sums_of_all_bits() -> None:
    x, weight, bias, dy = drawn((2, 3, 8, 8), (4, 3, 3, 3), (4,), (2, 4, 4, 4))
    how = 2, (0, 1)
    y, cache = bfloat16_conv.forward(x, weight, bias, *how)
    wanted, exact = conv.forward(nearest(x), nearest(weight), bias, *how)
    np.testing.assert_array_equal(y, wanted)
    dx, dweight, dbias = bfloat16_conv.backward(dy, cache)
    wanted = conv.backward(nearest(dy), exact)
    np.testing.assert_array_equal(dx, wanted[0])
    np.testing.assert_array_equal(dweight, wanted[1])
    np.testing.assert_array_equal(dbias, conv.backward(dy, exact)[2])
    assert (dbias != wanted[2]).any()


def test_gradients_are_float32_s_but_for_rounding() -> None:
    """Each factor is off by 2^-9 at most, in a sum of such products so by 2^-8 of the sizes of its terms."""
    x, weight, bias, dy = drawn((2, 3, 6, 6), (4, 3, 3, 3), (4,), (2, 4, 6, 6))
    found = bfloat16_conv.backward(dy, bfloat16_conv.forward(x, weight, bias)[1])
    exact = conv.backward(dy, conv.forward(x, weight, bias)[1])
    sizes = conv.backward(abs(dy), conv.forward(abs(x), abs(weight), bias)[1])
    for one, other, size in zip(found, exact, sizes, strict=True):
        assert (abs(one - other) <= 2.01 * 2.0**-9 * size).all()
