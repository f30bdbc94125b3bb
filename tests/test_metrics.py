"""Measures between two point sets, against brute force and against what is known about them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numpy_diffusion import metrics
from numpy_diffusion.metrics import energy_distance, nearest_neighbour_accuracy

MEASURES = [energy_distance, nearest_neighbour_accuracy]


@st.composite
def two_sets(draw, equal_n=False):
    """[N, D] and [M, D]; numbers of few values, so that points coincide and distances tie."""
    n, m, dim = (draw(st.integers(low, high)) for low, high in ((2, 12), (2, 12), (1, 4)))
    numbers = draw(st.sampled_from([st.integers(-2, 2).map(float), st.floats(-1e3, 1e3, width=32)]))
    return tuple(draw(hnp.arrays(np.float64, (k, dim), elements=numbers)) for k in (n, n if equal_n else m))


def distances(x, y):
    return np.array([[np.sqrt(((p - q) ** 2).sum()) for q in y] for p in x])


@settings(deadline=None)
@given(two_sets(), st.sampled_from([1, 7, 1 << 16]))
def test_energy_distance_is_the_brute_force_sum(sets, block):
    x, y = sets
    with pytest.MonkeyPatch.context() as patch:  # blocks of one row, of some rows, of all rows
        patch.setattr(metrics, "BLOCK", block)
        measured = energy_distance(x, y)
    expected = 2 * distances(x, y).mean() - distances(x, x).mean() - distances(y, y).mean()
    rounding = 1e-13 * (1 + np.abs(x).max() + np.abs(y).max())
    assert measured >= 0
    assert abs(measured - expected) <= rounding
    assert abs(measured - energy_distance(y, x)) <= rounding


@settings(deadline=None)
@given(two_sets())
def test_energy_distance_of_a_set_to_itself_is_zero(sets):
    x, _ = sets
    assert energy_distance(x, x) == 0.0
    assert energy_distance(x, x[::-1]) <= 1e-13 * (1 + np.abs(x).max())


def test_energy_distance_of_two_points_is_twice_their_distance():
    assert energy_distance([[0.0, 0.0]], [[3.0, 4.0]]) == 10.0
    assert energy_distance([[0.0, 0.0]] * 3, [[3.0, 4.0]] * 5) == pytest.approx(10.0, rel=1e-15)


def test_energy_distance_of_fresh_sets_has_its_mean():
    """Mean 2 E|X - X'| / n, which is 2 * (2 / 3) / n where x is uniform in -1..1."""
    rng = np.random.default_rng(0)
    n, repeats = 50, 400
    measured = [energy_distance(*rng.uniform(-1, 1, (2, n, 1))) for _ in range(repeats)]
    assert abs(np.mean(measured) - 4 / 3 / n) < 5 * np.std(measured) / np.sqrt(repeats)


def brute_force_accuracy(x, y):
    """One point at a time; a tie between the sets is half right."""
    pooled, label = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])
    right = 0.0
    for i, point in enumerate(pooled):
        squared = ((pooled - point) ** 2).sum(axis=1)
        squared[i] = np.inf
        labels = set(label[squared == squared.min()])
        right += 0.5 if len(labels) == 2 else float(label[i] in labels)
    return right / len(pooled)


@settings(deadline=None)
@given(two_sets(equal_n=True), st.sampled_from([1, 7, 1 << 16]))
def test_accuracy_is_the_brute_force_count(sets, block):
    x, y = sets
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "BLOCK", block)
        measured = nearest_neighbour_accuracy(x, y)
    assert measured == pytest.approx(brute_force_accuracy(x, y), abs=1e-12)
    assert nearest_neighbour_accuracy(y, x) == measured


def test_accuracy_of_copies_is_zero_and_of_sets_apart_is_one():
    x = np.random.default_rng(1).standard_normal((200, 2))
    assert nearest_neighbour_accuracy(x, x) == 0.0
    assert nearest_neighbour_accuracy(x, x[::-1] + 1e-9) == 0.0
    assert nearest_neighbour_accuracy(x, x + 100.0) == 1.0


def test_accuracy_of_points_that_all_coincide_is_a_half():
    assert nearest_neighbour_accuracy(np.ones((5, 2)), np.ones((5, 2))) == 0.5


def test_accuracy_tells_fresh_data_from_shifted_data():
    x, y = np.random.default_rng(2).standard_normal((2, 2000, 2))
    error = 0.5 / np.sqrt(2000)  # above the standard error, whose correlations between neighbours are small
    assert abs(nearest_neighbour_accuracy(x, y) - 0.5) < 5 * error
    assert nearest_neighbour_accuracy(x, y + 1.0) > 0.5 + 5 * error


def test_near_points_far_from_the_origin_are_told_apart():
    """|a|^2 + |b|^2 - 2ab would lose these distances, even in float64."""
    x = np.array([[1e6, 0.0], [1e6, 0.0625], [1e6, 1.0], [1e6, 1.0625]])
    right, up = np.array([1e-4, 0.0]), np.array([0.0, 0.1])
    assert nearest_neighbour_accuracy(x, x + right) == 0.0
    assert nearest_neighbour_accuracy(x, x + up) == brute_force_accuracy(x, x + up) == 0.5
    at_origin = x - np.array([1e6, 0.0])
    assert energy_distance(x, x + right) == pytest.approx(energy_distance(at_origin, at_origin + right), rel=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
def test_memory_stays_bounded(measure):
    x, y = np.random.default_rng(3).standard_normal((2, 3000, 2))
    measure(x, y)
    tracemalloc.start()
    measure(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 << 20  # all pairs at once would take 72 MB


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(4), np.zeros((4, 1)), r"^x: expected shape \[N, D\]"),
        (np.zeros((4, 1)), np.zeros((4, 1, 1)), r"^y: expected shape \[M, 1\]"),
        (np.zeros((4, 2)), np.zeros((4, 3)), r"^y: expected shape \[M, 2\]"),
        (np.zeros((0, 2)), np.zeros((4, 2)), r"^x: .*empty"),
        (np.zeros((4, 2)), np.zeros((0, 2)), r"^y: .*empty"),
        (np.full((4, 2), np.nan), np.zeros((4, 2)), r"^x: .*finite"),
        (np.zeros((4, 2)), np.full((4, 2), np.inf), r"^y: .*finite"),
        (np.zeros((4, 2), complex), np.zeros((4, 2)), r"^x: .*complex"),
        ("spiral", np.zeros((4, 2)), r"^x: "),
        (None, np.zeros((4, 2)), r"^x: "),
    ],
)
def test_bad_sets(measure, x, y, message):
    with pytest.raises(ValueError, match=message):
        measure(x, y)


def test_accuracy_needs_as_many_points_on_both_sides_and_two_at_least():
    with pytest.raises(ValueError, match=r"^y: expected as many points as x has, 4, got 5"):
        nearest_neighbour_accuracy(np.zeros((4, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match=r"^x: expected at least 2 points, got 1"):
        nearest_neighbour_accuracy(np.zeros((1, 2)), np.zeros((1, 2)))
