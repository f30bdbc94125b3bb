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
