"""Rounding to bfloat16 against the two neighbours of each number, and products of pairs one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from checks.bfloat16 import every_kind_of_number, nearest

from numpy_diffusion.layers import bfloat16


def test_rounding_takes_the_nearer_neighbour_and_of_two_the_even() -> None:
    x = every_kind_of_number(0)
    np.testing.assert_array_equal(bfloat16.rounded(x).view(np.uint32), nearest(x).view(np.uint32))


def test_what_is_rounded_stays_as_it_is() -> None:
    x = bfloat16.rounded(every_kind_of_number(1))
    np.testing.assert_array_equal(bfloat16.rounded(x), x)
    assert not (x.view(np.uint32) & 0xFFFF).any()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 0.0, -0.0])
def test_special_numbers(value: float) -> None:
    found = bfloat16.rounded(np.float32(value))
    assert found == value
    assert np.signbit(found) == np.signbit(value)


def test_what_is_no_number_stays_none_and_what_is_too_large_becomes_infinite() -> None:
    payload = np.array([0x7F800001, 0xFFFFFFFF, 0x7FFFFFFF], np.uint32).view(np.float32)
    assert np.isnan(bfloat16.rounded(payload)).all()
    assert np.isposinf(bfloat16.rounded(np.finfo(np.float32).max))


def test_a_product_takes_each_pair_s_second_number_first() -> None:
    rng = np.random.default_rng(2)
    a, b, start = (rng.normal(size=size).astype(np.float32) for size in ((3, 6), (6, 5), (3, 5)))
    for m, n in np.ndindex(3, 5):
        total = start[m, n]
        for k in (1, 0, 3, 2, 5, 4):
            total = np.float32(np.float64(total) + np.float64(nearest(a)[m, k]) * np.float64(nearest(b)[k, n]))
        assert bfloat16.product(a, b, start)[m, n] == total


def test_a_product_of_tiles_is_two_sums_of_sixteen_at_a_time() -> None:
    rng = np.random.default_rng(5)
    a, b, start = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 64), (64, 3), (2, 3)))
    rounded_a, rounded_b = nearest(a), nearest(b)
    found = bfloat16.tile_product(a, b, start)
    for m, n in np.ndindex(2, 3):
        total = start[m, n]
        for k in (0, 32):
            sums = [np.float32(0)] * 2
            for i in range(k, k + 32):
                exact = float(sums[i % 2]) + float(rounded_a[m, i]) * float(rounded_b[i, n])
                sums[i % 2] = np.float32(exact)
            total = total + (sums[0] + sums[1])
        assert found[m, n] == total


def test_products_of_tiles_know_no_number_below_the_smallest_whole_one() -> None:
    a, b, start = np.zeros((1, 32), np.float32), np.zeros((32, 1), np.float32), np.float32([[2.0**-127]])
    a[0, :3], b[:3, 0] = [2.0**-127, 2.0**-64, 2.0**-63], [1.0, 2.0**-64, 2.0**-63]
    assert bfloat16.tile_product(a, b, start) == 2.0**-126 * 0 + 2.0**-126
