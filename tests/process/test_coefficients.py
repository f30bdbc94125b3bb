"""What a row of the table must be for the loop, of every method."""

from __future__ import annotations

import numpy as np
import pytest

from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.solvers import METHODS, Method, coefficients

SCHEDULE = Schedule.linear(100)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fills_every_field_for_each_row(method: Method) -> None:
    table = coefficients(SCHEDULE, method, steps=5)
    assert isinstance(table, Coefficients)
    K = len(table.t)
    for name, values in table._asdict().items():
        assert values.shape == ((K, 3) if name == "b" else (K,))
    assert {name: values.dtype.kind for name, values in table._asdict().items()} == {
        **dict.fromkeys(("t", "s", "noise"), "i"),
        **dict.fromkeys("pqabc", "f"),
        **dict.fromkeys(("accept", "learned"), "b"),
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_row_starts_where_the_last_one_ended_and_the_last_ends_at_0(method: Method) -> None:
    table = coefficients(SCHEDULE, method, steps=5)
    assert table.t[0] == 100
    np.testing.assert_array_equal(table.t[1:], table.s[:-1])
    assert table.s[-1] == 0
    assert table.accept[-1]
    assert not table.learned.any()


def test_a_variance_by_coordinate_stands_in_c() -> None:
    variance = np.random.default_rng(0).uniform(size=(101, 2, 3))
    table = coefficients(SCHEDULE, variance=variance, steps=4)
    np.testing.assert_array_equal(table.c, np.sqrt(variance[table.t]))
