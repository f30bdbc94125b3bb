"""One number a sample beside the whole sample."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.process.columns import column


@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 4, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_sample_is_multiplied_by_its_own_number(shape: tuple[int, ...], dtype: type) -> None:
    x, values = np.random.default_rng(0).normal(size=shape).astype(dtype), np.array([2.0, -1.0, 0.1])
    product = column(values, x) * x
    assert product.dtype == dtype
    for n in range(3):
        np.testing.assert_array_equal(product[n], dtype(values[n]) * x[n])


def test_one_number_stands_beside_all() -> None:
    x = np.ones((3, 2, 2), np.float32)
    np.testing.assert_array_equal(column(np.array(0.5), x) * x, 0.5 * x)
    np.testing.assert_array_equal(column(np.float64(0.5), x) * x, 0.5 * x)
