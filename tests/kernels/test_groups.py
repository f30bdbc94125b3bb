"""Sums over groups: the same to the bit on any number of threads, in the order of the tree, in few rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.kernels.groups import groups, merge, total
from numpy_diffusion.models.shares import over_tree

FEW = settings(deadline=None, max_examples=40)
V = 5001  # more than a block


def summed(values: np.ndarray, threads: int) -> np.ndarray:
    """What threads that do as kernels do make of the groups' gradients [groups, V]."""
    own = groups(np.arange(len(values) + 1), threads, values.shape[1])
    own.sums[:] = np.nan
    for group, value in enumerate(values):
        own.sums[own.rows[group]] = value
        merge(own.sums, own.rows[group], own.merges[group])
    return total(own)


@FEW
@given(count=st.integers(1, 40), threads=st.integers(1, 12))
def test_the_sum_is_that_over_the_tree(count: int, threads: int) -> None:
    rng = np.random.default_rng(count)
    values = (rng.normal(size=(count, 40)) * 10.0 ** rng.integers(-6, 6, (count, 40))).astype(np.float32)
    assert summed(values, threads).tobytes() == over_tree(list(values)).tobytes()


def test_long_rows_are_summed_whole() -> None:
    values = np.random.default_rng(0).normal(size=(8, V)).astype(np.float32)
    for threads in (1, 3, 8):
        assert summed(values, threads).tobytes() == over_tree(list(values)).tobytes()


@pytest.mark.parametrize(("count", "threads", "rows"), [(8, 1, 4), (32, 1, 6), (32, 2, 10), (8, 8, 8), (4, 3, 4)])
def test_a_thread_keeps_a_row_a_level(count: int, threads: int, rows: int) -> None:
    assert len(groups(np.arange(count + 1), threads, 3).sums) == rows
