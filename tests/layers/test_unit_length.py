"""Rows of length 1."""

from __future__ import annotations

from checks.unit_length import check_gradient, check_values
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None, max_examples=12)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(2, 5))
def test_values_and_gradient(rows: list[int], D: int) -> None:
    check_values(*rows, D)
    check_gradient(*rows, D)
