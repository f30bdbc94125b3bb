"""Sums along the registers: the loops, to rounding, of any length, in one order whatever the width of register."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks.tiles import FLAT, ROUNDING, numbers
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from numpy_diffusion.kernels.vector import sums
from numpy_diffusion.kernels.vector.registers import WIDEST_VECTOR


def summing(intrinsic: Any) -> Any:
    @njit(error_model="numpy")
    def call(*args):
        return intrinsic(*args)

    return call


TOTALS = {"vector": summing(sums.total), "plain": sums.plain_total}
PRODUCTS = {"vector": summing(sums.product_total), "plain": sums.plain_product_total}
ROW, ROW_PRODUCT = summing(sums.row_total), summing(sums.row_product_total)


@pytest.mark.parametrize("form", TOTALS)
@FLAT
@given(draw=st.data())
def test_whole_registers(form, draw):
    seed, start, count = (draw.draw(st.integers(0, 9)) for _ in range(3))
    rng, n = np.random.default_rng(seed), count * WIDEST_VECTOR
    a, b = numbers(rng, start + n + 3), numbers(rng, n + 5)
    left, right = a[start : start + n].astype(float), b[2 : 2 + n].astype(float)
    found = TOTALS[form](a, start, n)
    assert abs(found - left.sum()) <= ROUNDING * n * np.abs(left).sum()
    found = PRODUCTS[form](a, start, np.float32(0.5), b, 2, np.float32(-1.5), n)
    terms = (left - 0.5) * (right + 1.5)
    assert abs(found - terms.sum()) <= 4 * ROUNDING * max(n, 1) * np.abs(terms).sum()


@FLAT
@given(st.integers(0, 100), st.integers(0, 5))
def test_any_length(n, start):
    rng = np.random.default_rng(n)
    a, b = numbers(rng, start + n, whole=True), numbers(rng, n, whole=True)
    assert ROW(a, start, n) == a[start:].sum()
    expected = ((a[start:] - 2.0) * (b - 1.0)).sum()
    assert ROW_PRODUCT(a, start, np.float32(2), b, 0, np.float32(1), n) == expected


def in_order(terms):
    """Each of WIDEST_VECTOR places sums its own, and these come together by halves; then what is left, in order."""
    whole = len(terms) // WIDEST_VECTOR * WIDEST_VECTOR
    places = np.zeros(WIDEST_VECTOR, np.float32)
    for low in range(0, whole, WIDEST_VECTOR):
        places += terms[low : low + WIDEST_VECTOR]
    while len(places) > 1:
        places = places[: len(places) // 2] + places[len(places) // 2 :]
    rest = np.float32(0)
    for term in terms[whole:]:
        rest += term
    return places[0] + rest


def test_the_order_is_that_of_the_widest_registers_to_the_bit():
    ones = np.ones(100, np.float32)
    for n in (7, 16, 50, 99):
        a = numbers(np.random.default_rng(n), n)
        assert ROW(a, 0, n) == in_order(a)
        assert ROW_PRODUCT(a, 0, np.float32(0), ones, 0, np.float32(0), n) == in_order(a)
