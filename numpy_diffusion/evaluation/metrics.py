"""How far two sets of points are apart: what says whether samples are as good as fresh data.

All but one look at all pairs of points, in blocks of rows, so that memory stays bounded.  Distances are computed
from differences in float64: points that coincide have distance 0 exactly, and ties are seen as ties.  The Frechet
distance looks at means and covariances alone, and suits features of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks

__all__ = ["energy_distance", "frechet_distance", "nearest_neighbour_accuracy", "stray_share"]

BLOCK = 1 << 16  # distances at a time: 512 KiB of float64, so that the two arrays in work stay in a core's cache


def energy_distance(x: ArrayLike, y: ArrayLike) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, each a mean over all pairs (Szekely and Rizzo 2013, the V-statistic).

    Zero for two equal sets, else positive.  Between two fresh sets of n points from one distribution its mean
    is 2 E|X - X'| / n.

    Parameters
    ----------
    x : [N, D]
    y : [M, D]

    Returns
    -------
    float, in the unit of the data

    Raises
    ------
    ValueError : a set that is not [N, D], unequal D, NaN or infinite values, no points

    Examples
    --------
    >>> energy_distance([[0.0], [1.0]], [[0.0], [1.0]]), energy_distance([[0.0]], [[3.0]])
    (0.0, 6.0)
    """
    x, y = _two_sets(x, y)
    between, within_x, within_y = _mean_distance(x, y), _mean_distance(x, x), _mean_distance(y, y)
    return max(2.0 * between - within_x - within_y, 0.0)  # rounding alone takes it below zero


def nearest_neighbour_accuracy(x: ArrayLike, y: ArrayLike) -> float:
    """How often the nearest other point tells which set a point is from (Lopez-Paz and Oquab 2017, the 1-NN test).

    Each of the 2 N points is classified by its nearest neighbour among the other 2 N - 1.  0.5: the sets look
    alike, up to a standard error near 0.45 / sqrt(N) in the plane; 1: they lie apart; 0: one copies the other.
    A tie between the two sets counts as half right.

    Parameters
    ----------
    x, y : [N, D], as many points each; at least 2

    Returns
    -------
    float in 0..1

    Raises
    ------
    ValueError : a set that is not [N, D], unequal N or D, NaN or infinite values, fewer than two points

    Examples
    --------
    >>> nearest_neighbour_accuracy([[0.0], [1.0]], [[5.0], [6.0]])
    1.0
    >>> nearest_neighbour_accuracy([[0.0], [1.0]], [[0.0], [1.0]])
    0.0
    """
    x, y = _two_sets(x, y)
    if len(x) != len(y):
        raise ValueError(f"y: expected as many points as x has, {len(x)}, got {len(y)}")  # else 0.5 means nothing
    if len(x) < 2:
        raise ValueError("x: expected at least 2 points, got 1")
    from_x, from_y = np.full(len(x), np.inf), np.full(len(y), np.inf)
    for rows, squared in _squared_distances(x, y):
        from_x[rows] = squared.min(axis=1)
        from_y = np.minimum(from_y, squared.min(axis=0))
    own = np.concatenate([_nearest_within(x), _nearest_within(y)])
    other = np.concatenate([from_x, from_y])
    return float(np.mean(own < other) + 0.5 * np.mean(own == other))


def stray_share(x: ArrayLike, data: ArrayLike, fresh: ArrayLike, usual: float = 0.999) -> float:
    """The share of the points x that are farther from the data than `usual` of the fresh points are.

    Of points as good as fresh ones 1 - usual strays; points between the arms of a spiral do, where no data is.

    Parameters
    ----------
    x : [N, D]
    data : [M, D], what to be near to; the more points, the finer the measure
    fresh : [K, D], other points of the data's distribution, at least 1 / (1 - usual) for the quantile to be told
    usual : a share in 0..1

    Returns
    -------
    float in 0..1

    Raises
    ------
    ValueError : a set that is not [N, D], unequal D, NaN or infinite values; a share out of its range

    Examples
    --------
    >>> stray_share([[0.1], [5.0]], data=[[0.0], [1.0]], fresh=[[0.4], [0.7]])
    0.5
    """
    usual = _checks.real("usual", usual, 0.0, 1.0)
    x, data = _two_sets(x, data, names=("x", "data"))
    _, fresh = _two_sets(data, fresh, names=("data", "fresh"))
    limit = np.quantile(_nearest(fresh, data), usual)
    return float(np.mean(_nearest(x, data) > limit))


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in float64 (Heusel et al. 2017, eq 6).

    The squared distance of Frechet between the Gaussians with the two sets' means and covariances, the latter over
    N - 1 (Dowson and Landau 1982).  With the features of a classifier for points it says how far generated images
    are from real ones.  Finite sets add to it, the more the fewer points, so that numbers compare at equal N and M
    alone.

    Parameters
    ----------
    a : [N, F], at least 2 points
    b : [M, F], at least 2 points

    Returns
    -------
    float, in the squared unit of the features

    Raises
    ------
    ValueError : a set that is not [N, F], unequal F, NaN or infinite values, fewer than two points

    Examples
    --------
    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    a, b = _two_sets(a, b, names="ab")
    for name, points in (("a", a), ("b", b)):
        if len(points) < 2:
            raise ValueError(f"{name}: expected at least 2 points, got 1")
    (mu_a, root_a), (mu_b, root_b) = _mean_and_root(a), _mean_and_root(b)
    # Where S = R^T R, the singular values of R_a R_b^T are the eigenvalues of (S_a S_b)^(1/2): no square is formed,
    # whose root would turn a rounding of 1e-16 into one of 1e-8.
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = (root_a**2).sum() + (root_b**2).sum() - 2.0 * cross
    return float(((mu_a - mu_b) ** 2).sum() + max(spread, 0.0))  # rounding alone takes it below zero


def _mean_and_root(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean [F], and R [min(N, F), F] with R^T R the covariance."""
    mean = x.mean(axis=0)
    return mean, np.linalg.qr((x - mean) / np.sqrt(len(x) - 1.0)).R


def _two_sets(x: ArrayLike, y: ArrayLike, names: Sequence[str] = "xy") -> tuple[np.ndarray, np.ndarray]:
    x = _checks.array(names[0], x, ("N", "D"), np.float64)
    return x, _checks.array(names[1], y, ("M", x.shape[1]), np.float64)


def _mean_distance(x: np.ndarray, y: np.ndarray) -> float:
    total = sum(float(np.sqrt(squared, out=squared).sum()) for _, squared in _squared_distances(x, y))
    return total / (len(x) * len(y))


def _nearest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared distance of each x to the nearest y: [N]."""
    return np.concatenate([squared.min(axis=1) for _, squared in _squared_distances(x, y)])


def _nearest_within(x: np.ndarray) -> np.ndarray:
    """Squared distance of each point to the nearest other point of its set: [N]."""
    nearest = np.empty(len(x))
    for rows, squared in _squared_distances(x, x):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf  # not to itself
        nearest[rows] = squared.min(axis=1)
    return nearest


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of rows of |x_i - y_j|^2: the rows, and [rows, M], which the caller may overwrite until the next one."""
    height = max(BLOCK // len(y), 1)
    columns = np.ascontiguousarray(y.T)
    squared, difference = np.empty((2, min(height, len(x)), len(y)))
    for start in range(0, len(x), height):
        rows = slice(start, min(start + height, len(x)))
        s, d = squared[: rows.stop - start], difference[: rows.stop - start]
        s[:] = 0.0
        for k, column in enumerate(columns):
            np.subtract(x[rows, k, None], column, out=d)
            np.multiply(d, d, out=d)
            np.add(s, d, out=s)
        yield rows, s


def __dir__() -> list[str]:
    return __all__
