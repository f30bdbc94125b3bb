"""Tokens in their places: a row of each table, and the gradient adds over a row's uses."""

from __future__ import annotations

from checks.text_embedding import check_gradients, check_values
from hypothesis import given, settings
from hypothesis import strategies as st

SENTENCES = st.integers(1, 5).flatmap(
    lambda L: st.lists(st.tuples(*[st.integers(0, 3)] * L), min_size=1, max_size=3).map(tuple)
)


@settings(deadline=None, max_examples=20)
@given(SENTENCES)
def test_values_and_gradients(ids: tuple[tuple[int, ...], ...]) -> None:
    check_values(ids)
    check_gradients(ids)
