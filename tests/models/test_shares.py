"""Shares of a batch: the sum over ranks, on threads that send each other arrays, is that over the groups of one."""

from __future__ import annotations

import numpy as np
import pytest
from checks.ranks import on_ranks
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.models import shares
from numpy_diffusion.models.shares import ALONE, Ranks, add_up, gathered, groups_of, over_tree, rounds, share

FEW = settings(deadline=None, max_examples=25)


def of_groups(groups: int, V: int) -> np.ndarray:
    """Numbers of sizes so different that each order of their sum gives other bits: [groups, V]."""
    rng = np.random.default_rng(groups)
    return (rng.normal(size=(groups, V)) * 10.0 ** rng.integers(-6, 6, (groups, V))).astype(np.float32)


@pytest.mark.parametrize("size", range(1, 10))
@FEW
@given(more=st.integers(0, 40), V=st.integers(0, 30))
def test_the_sum_on_any_number_of_ranks_is_that_of_one(size: int, more: int, V: int) -> None:
    groups = size + more
    values = of_groups(groups, V)

    def own_sum(ranks: Ranks) -> bytes:
        own = share(groups, groups, ranks)
        add_up(ranks, groups, numbers := over_tree(values[own.samples]).copy())
        return numbers.tobytes()

    assert set(on_ranks(size, own_sum)) == {over_tree(values).tobytes()}


def test_the_order_of_the_sum_matters_here() -> None:
    values = of_groups(8, 30)
    assert over_tree(values).tobytes() != values.sum(axis=0).tobytes()
    assert over_tree(values).tobytes() != over_tree(values[[0, 2, 1, 3, 4, 5, 6, 7]]).tobytes()


@FEW
@given(more=st.integers(0, 70), size=st.integers(1, 40))
def test_each_group_is_one_ranks_and_each_rank_has_a_subtree(more: int, size: int) -> None:
    groups = size + more
    found = shares.shares(groups, size)
    assert len(found) == size
    assert [group for low, high in found for group in range(low, high)] == list(range(groups))
    for low, high in found:
        assert low < high
        level = 1 << (high - low - 1).bit_length()
        assert low % level == 0
        assert high in (low + level, groups)


def test_more_ranks_than_groups_are_refused() -> None:
    expected = r"^comm: expected at most 4 processes for a batch of 32, which is divided into so many groups, got 5$"
    with pytest.raises(ValueError, match=expected):
        share(32, 4, shares.Alone(0, 5))


@pytest.mark.parametrize(("size", "steps"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4)])
def test_there_are_as_many_rounds_as_levels_above_the_ranks(size: int, steps: int) -> None:
    assert max(len(rounds(32, rank, size)) for rank in range(size)) == steps


@FEW
@given(st.integers(1, 5000))
def test_a_group_has_eight_samples_or_more_but_in_small_batches(batch: int) -> None:
    groups = groups_of(batch)
    bounds = share(batch, groups).bounds
    assert (bounds[0], bounds[-1]) == (0, batch)
    sizes = np.diff(bounds)
    assert sizes.min() >= 1
    if batch >= 64:
        assert 8 <= sizes.min() <= sizes.max() <= 16


def test_half_of_the_numbers_go_each_way_between_two() -> None:
    sent = []

    def watched(ranks: Ranks) -> None:
        add_up(ranks, 4, np.ones(1000, np.float32))
        sent.append(ranks.sent)  # type: ignore[attr-defined]

    on_ranks(2, watched)
    assert sent == [1000, 1000]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_rows_of_all_are_gathered_to_the_bit(size: int) -> None:
    rows = np.array([[-0.0, 1.0], [np.nan, 1e-42], [2.0, -3.0], [0.0, np.inf], [5.0, 6.0]], np.float32)

    def found(ranks: Ranks) -> bytes:
        own = share(5, groups_of(5), ranks)
        return gathered(ranks, own, rows[own.samples]).tobytes()

    assert set(on_ranks(size, found)) == {rows.tobytes()}


def test_what_is_not_summed_by_groups_is_for_one_process() -> None:
    shares.check_alone("a thing", ALONE)
    expected = r"^comm: expected one process for a thing, whose gradient is not summed over groups of samples, got 3$"
    with pytest.raises(ValueError, match=expected):
        shares.check_alone("a thing", shares.Alone(0, 3))
