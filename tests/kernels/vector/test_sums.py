"""Sums along the registers: the loops, to rounding, at every width of register and of any length."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.tiles import EACH, FLAT, ROUNDING, numbers, shape
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from numpy_diffusion.kernels.vector import sums


def summing(intrinsic: Any) -> Any:
    @njit(error_model="numpy")
    def call(*args):
        return intrinsic(*args)

    return call


TOTALS = {width: summing(sums.make_total(shape(width)[1])) for width in (128, 256, 512)} | {"plain": sums.plain_total}
PRODUCTS = {width: summing(sums.make_product_total(shape(width)[1])) for width in (128, 256, 512)}
PRODUCTS |= {"plain": sums.plain_product_total}
ROW, ROW_PRODUCT = summing(sums.row_total), summing(sums.row_product_total)


@EACH
@FLAT
@given(draw=st.data())
def test_whole_registers(width, draw):
    seed, start, count = (draw.draw(st.integers(0, 9)) for _ in range(3))
    rng, n = np.random.default_rng(seed), count * shape(width)[1]
    a, b = numbers(rng, start + n + 3), numbers(rng, n + 5)
    left, right = a[start : start + n].astype(float), b[2 : 2 + n].astype(float)
    found = TOTALS[width](a, start, n)
    assert abs(found - left.sum()) <= ROUNDING * n * np.abs(left).sum()
    found = PRODUCTS[width](a, start, np.float32(0.5), b, 2, np.float32(-1.5), n)
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
