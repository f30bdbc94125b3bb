"""An image as a sequence of patches behind a class token."""

from __future__ import annotations

from checks.patch_embedding import check_gradients, check_values
from hypothesis import given, settings
from hypothesis import strategies as st

SMALL = st.integers(1, 2)


@settings(deadline=None, max_examples=12)
@given(N=SMALL, C=SMALL, D=st.integers(1, 3), P=SMALL, rows=SMALL, columns=st.integers(1, 3))
def test_values_and_gradients(N: int, C: int, D: int, P: int, rows: int, columns: int) -> None:
    check_values(N, C, D, P, rows, columns)
    check_gradients(N, C, D, P, rows, columns)
