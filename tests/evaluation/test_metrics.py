"""Measures between two point sets, against brute force and against what is known about them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numpy_diffusion.evaluation import metrics
from numpy_diffusion.evaluation.metrics import energy_distance, frechet_distance, nearest_neighbour_accuracy

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


def exact_set(rng, n, mean, covariance):
    """n points that have this mean and covariance to the bit or so, not only on average."""
    z = rng.standard_normal((n, len(mean)))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / (n - 1))).T
    return mean + z @ np.linalg.cholesky(covariance).T


def covariance_of(rng, dim):
    root = rng.standard_normal((dim, dim))
    return root @ root.T + 0.1 * np.eye(dim)


@pytest.mark.parametrize("seed", range(5))
def test_frechet_distance_in_the_plane_is_the_closed_form(seed):
    """Of a 2 x 2 matrix M with positive eigenvalues, tr M^(1/2) = sqrt(tr M + 2 sqrt(det M))."""
    rng = np.random.default_rng(seed)
    (mu_a, mu_b), S_a, S_b = rng.standard_normal((2, 2)), covariance_of(rng, 2), covariance_of(rng, 2)
    product = S_a @ S_b
    root = np.sqrt(np.trace(product) + 2.0 * np.sqrt(np.linalg.det(product)))
    expected = ((mu_a - mu_b) ** 2).sum() + np.trace(S_a + S_b) - 2.0 * root
    a, b = exact_set(rng, 50, mu_a, S_a), exact_set(rng, 70, mu_b, S_b)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-11)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("dim", [1, 3, 20])
def test_frechet_distance_where_covariances_commute(dim):
    """Then it is |mu_a - mu_b|^2 and the squared differences of the deviations along the common axes."""
    rng = np.random.default_rng(dim)
    axes = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    mu_a, mu_b = rng.standard_normal((2, dim))
    s_a, s_b = rng.uniform(0.1, 3.0, (2, dim))
    a = exact_set(rng, 60, mu_a, axes @ np.diag(s_a**2) @ axes.T)
    b = exact_set(rng, 60, mu_b, axes @ np.diag(s_b**2) @ axes.T)
    expected = ((mu_a - mu_b) ** 2).sum() + ((s_a - s_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-11)


def test_frechet_distance_of_samples_is_the_gaussians_up_to_its_standard_error():
    """Per axis (delta method) 4 d^2 (s_a^2/N + s_b^2/M) of the means, 4 (s_a - s_b)^2 (s_a^2/2N + s_b^2/2M) of the
    deviations; the bias, below F (s_a^2 + s_b^2) (1/N + 1/M), is far smaller."""
    rng = np.random.default_rng(3)
    N, M = 40_000, 60_000
    mu_a, s_a = np.array([0.0, 1.0, -2.0]), np.array([1.0, 2.0, 0.5])
    mu_b, s_b = np.array([1.0, 0.5, -2.0]), np.array([2.0, 0.5, 0.5])
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    a = (mu_a + s_a * rng.standard_normal((N, 3))) @ turn
    b = (mu_b + s_b * rng.standard_normal((M, 3))) @ turn
    shift, change = mu_a - mu_b, s_a - s_b
    variance = 4 * shift**2 * (s_a**2 / N + s_b**2 / M) + 4 * change**2 * (s_a**2 / (2 * N) + s_b**2 / (2 * M))
    bias = 3 * (s_a**2 + s_b**2).max() * (1 / N + 1 / M)
    exact = (shift**2).sum() + (change**2).sum()
    assert abs(frechet_distance(a, b) - exact) < 5 * np.sqrt(variance.sum()) + bias


@settings(deadline=None)
@given(two_sets())
def test_frechet_distance_is_zero_of_a_set_to_itself_and_moves_with_a_shift(sets):
    x, _ = sets
    scale = 1 + np.abs(x).max()
    assert frechet_distance(x, x[::-1]) <= 1e-12 * scale**2
    assert frechet_distance(x, x + 2.0) == pytest.approx(4.0 * x.shape[1], abs=1e-12 * scale**2)


def test_frechet_distance_of_fewer_points_than_features():
    """Two points each, along axes at right angles: the covariances share nothing, and their traces add up."""
    a, b = np.zeros((2, 5)), np.zeros((2, 5))
    a[:, 0], b[:, 1] = [-1.0, 1.0], [-2.0, 2.0]
    assert frechet_distance(a, b) == pytest.approx(2.0 + 8.0, rel=1e-14)
    assert frechet_distance(a, np.zeros((3, 5))) == pytest.approx(2.0, rel=1e-14)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros(4), np.zeros((4, 1)), r"^a: expected shape \[N, D\]"),
        (np.zeros((4, 2)), np.zeros((4, 3)), r"^b: expected shape \[M, 2\]"),
        (np.full((4, 2), np.nan), np.zeros((4, 2)), r"^a: .*finite"),
        (np.zeros((4, 2)), np.full((4, 2), np.inf), r"^b: .*finite"),
        (np.zeros((1, 2)), np.zeros((4, 2)), r"^a: expected at least 2 points, got 1"),
        (np.zeros((4, 2)), np.zeros((1, 2)), r"^b: expected at least 2 points, got 1"),
    ],
)
def test_bad_sets_of_features(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


# Points that stray


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10_000), usual=st.sampled_from([0.0, 0.5, 0.9, 1.0]), block=st.sampled_from([1, 7, 1 << 16])
)
def test_stray_share_is_the_brute_force_count(seed, usual, block):
    rng = np.random.default_rng(seed)
    x, data, fresh = rng.normal(size=(9, 2)) * 2.0, rng.normal(size=(6, 2)), rng.normal(size=(8, 2))
    distance = lambda points: np.array([min(np.hypot(*(p - q)) for q in data) for p in points])  # noqa: E731
    limit = np.quantile(distance(fresh) ** 2, usual)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "BLOCK", block)
        assert metrics.stray_share(x, data, fresh, usual) == np.mean(distance(x) ** 2 > limit)


def test_as_many_fresh_points_stray_as_are_unusual():
    rng = np.random.default_rng(0)
    data, fresh, x = rng.uniform(size=(2000, 2)), rng.uniform(size=(4000, 2)), rng.uniform(size=(4000, 2))
    share = metrics.stray_share(x, data, fresh, usual=0.99)
    assert abs(share - 0.01) < 5 * np.sqrt(2 * 0.01 * 0.99 / 4000)  # both sets have an error of their own
    assert metrics.stray_share(x + 10.0, data, fresh) == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(x=[[1.0]]), "data: expected shape"),
        (dict(fresh=[[np.nan, 0.0]]), "fresh: expected finite"),
        (dict(fresh=[[1.0]]), r"fresh: expected shape \[M, 2\], got \[1, 1\]"),
        (dict(usual=1.5), "usual: expected a finite number in 0.0..1.0, got 1.5"),
    ],
)
def test_bad_sets_for_strays(changes, message):
    points = np.zeros((3, 2))
    with pytest.raises(ValueError, match=message):
        metrics.stray_share(**(dict(x=points, data=points, fresh=points) | changes))
