"""Exact answers where the data is Gaussian or a Gaussian mixture: the ground on which the samplers are proved.

If x_0 comes from N(m, C) then x_t comes from N(sqrt(alpha_bar_t) m, alpha_bar_t C + (1 - alpha_bar_t) I), and if
x_0 comes from a mixture of Gaussians then x_t comes from the mixture of those, with the same weights.  So log q(x_t)
and its gradient are known, and with them the perfect network (Song et al. 2021, arXiv 2011.13456):

    eps*(x_t, t) = E[eps | x_t] = -sqrt(1 - alpha_bar_t) grad log q(x_t)

All is computed in float64.  A row of a result does not depend on what else is in the batch, to the bit: sums over
features and components are loops of one order, since a matrix product may round otherwise for another batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks, noise
from numpy_diffusion.schedules import Schedule

ROUNDING = 1e-9  # what the weights' sum, a covariance's symmetry and its least eigenvalue may be off, relative


class GaussianMixture:
    """Data from N(means[k], covariances[k]) with probability weights[k], in any dimension D.

    Parameters
    ----------
    weights : [K], positive, with sum 1
    means : [K, D]
    covariances : [K, D, D], each symmetric and positive semi-definite; zero is a single point

    Attributes (float64)
    ----------
    weights, means, covariances : as given
    mean : [D], of the data
    covariance : [D, D], of the data

    Raises
    ------
    ValueError : a shape that does not fit, NaN, weights that are no probabilities, a matrix that is no covariance

    Examples
    --------
    >>> coin = GaussianMixture(weights=[0.5, 0.5], means=[[-1.0], [1.0]], covariances=[[[0.1]], [[0.1]]])
    >>> coin.mean.tolist(), coin.covariance.tolist()
    ([0.0], [[1.1]])
    >>> model = coin.eps(Schedule.linear(T=1000))
    >>> model(np.array([[1.5], [-0.5]]), t=1000).round(3).tolist()  # x_T is noise: eps* is x_T itself
    [[1.5], [-0.5]]
    """

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        self.means = _checks.array("means", means, ("K", "D"), np.float64)
        K, D = self.means.shape
        self.weights = _probabilities(_checks.array("weights", weights, (K,), np.float64))
        given = _checks.array("covariances", covariances, (K, D, D), np.float64)
        self.covariances = np.stack([_covariance(f"covariances[{k}]", given[k]) for k in range(K)])
        self._eigenvalues, self._eigenvectors = _eigen(self.covariances)
        self.mean = self.weights @ self.means
        offset = self.means - self.mean
        between = np.einsum("k,ki,kj->ij", self.weights, offset, offset)
        self.covariance = np.einsum("k,kij->ij", self.weights, self.covariances) + between

    def __repr__(self) -> str:
        K, D = self.means.shape
        return f"{type(self).__name__}(D={D})" if K == 1 else f"{type(self).__name__}(K={K}, D={D})"

    def eps(self, schedule: Schedule) -> ExactEps:
        """The perfect network: a model `eps = model(x, t)`.  See `ExactEps`."""
        _checks.instance("schedule", schedule, Schedule)
        return ExactEps(self, schedule)

    def score(self, x: ArrayLike, t: Any, schedule: Schedule) -> np.ndarray:
        """grad log q(x_t) at x: float64 [N, D].

        Parameters
        ----------
        x : [N, D]
        t : int or int array [N], in 0..T; 0 is the data itself, whose covariances must then be regular

        Examples
        --------
        >>> Gaussian([0.0], [[4.0]]).score([[2.0]], 0, Schedule.linear()).tolist()
        [[-0.5]]
        """
        x, t = self._checked(x, t, schedule)
        return self._log_density_and_score(x, schedule.alpha_bar[t])[1]

    def log_density(self, x: ArrayLike, t: Any, schedule: Schedule) -> np.ndarray:
        """log q(x_t) at x in nats: float64 [N].

        Parameters
        ----------
        x : [N, D]
        t : int or int array [N], in 0..T; 0 is the data itself, whose covariances must then be regular

        Examples
        --------
        >>> Gaussian([0.0], [[1.0]]).log_density([[0.0]], 500, Schedule.linear()).round(4).tolist()
        [-0.9189]
        """
        x, t = self._checked(x, t, schedule)
        return self._log_density_and_score(x, schedule.alpha_bar[t])[0]

    def sample(self, n: int, seed: int) -> np.ndarray:
        """`n` draws of the data: float32 [n, D]; draw i is the same for every n.

        Examples
        --------
        >>> Gaussian([5.0, 0.0], [[0.0, 0.0], [0.0, 0.0]]).sample(2, seed=0).tolist()
        [[5.0, 0.0], [5.0, 0.0]]
        """
        rows = np.arange(_checks.integer("n", n, 1))
        seed = _checks.seed(seed)
        u = noise.uniform(seed, noise.STREAM_DATA, rows, 0, 1)[:, 0]
        k = np.searchsorted(np.cumsum(self.weights)[:-1], u, side="right")
        z = noise.normal(seed, noise.STREAM_DATA, rows, 1, self.means.shape[1]).astype(np.float64)
        x = self.means[k]
        for d, root_column in enumerate(self._roots().transpose(2, 0, 1)):  # [K, D]
            x += root_column[k] * z[:, d, None]
        return x.astype(np.float32)

    def _roots(self) -> np.ndarray:
        """Symmetric square roots of the covariances, which no sign of an eigenvector changes: [K, D, D]."""
        vectors = self._eigenvectors
        return np.einsum("kid,kd,kjd->kij", vectors, np.sqrt(self._eigenvalues), vectors)

    def _checked(self, x: ArrayLike, t: Any, schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
        x = _checks.array("x", x, ("N", self.means.shape[1]), np.float64)
        _checks.instance("schedule", schedule, Schedule)
        t = _checks.steps("t", t, 0, schedule.T, len(x))
        if t.min() == 0 and self._eigenvalues.min() == 0.0:
            raise ValueError("t: expected steps of at least 1 where a covariance is singular, got 0")
        return x, t

    def _log_density_and_score(self, x: np.ndarray, alpha_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log q(x_t) [N] and its gradient [N, D]: log-sum-exp over components, the largest so far taken out."""
        columns, alpha_bar = np.array(x.T, np.float64, order="C"), np.atleast_1d(alpha_bar)
        largest = np.full(len(x), -np.inf)
        total, score = np.zeros(len(x)), np.zeros(columns.shape)
        for k, weight in enumerate(self.weights):
            log_q, grad = self._component(k, columns, alpha_bar)
            log_q += np.log(weight)
            before, largest = largest, np.maximum(largest, log_q)
            old, new = np.exp(before - largest), np.exp(log_q - largest)
            total = old * total + new
            score = old * score + new * grad
        return largest + np.log(total), np.ascontiguousarray((score / total).T)

    def _component(self, k: int, x: np.ndarray, alpha_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log N(x; mean, covariance) of x_t's component k and its gradient: [N] and [D, N].

        x is [D, N]; alpha_bar is [N], or [1] where all rows share a step.  Along the eigenvectors of the data's
        covariance that of x_t is diagonal at every t.
        """
        vectors = self._eigenvectors[k]
        offset = x - np.sqrt(alpha_bar) * self.means[k][:, None]
        variance = alpha_bar * self._eigenvalues[k][:, None] + (1.0 - alpha_bar)
        log_variance = np.log(variance)
        along, grad = np.zeros(x.shape), np.zeros(x.shape)
        for i, component in enumerate(offset):
            along += vectors[i][:, None] * component
        standard = along / variance
        log_q = np.full(x.shape[1], -0.5 * len(x) * np.log(2.0 * np.pi))
        for d, vector in enumerate(vectors.T):
            log_q -= 0.5 * (along[d] * standard[d] + log_variance[d])
            grad -= vector[:, None] * standard[d]
        return log_q, grad


class Gaussian(GaussianMixture):
    """Data from N(mean, covariance): the mixture of one.

    Parameters
    ----------
    mean : [D]
    covariance : [D, D], symmetric and positive semi-definite

    Examples
    --------
    >>> data = Gaussian(mean=[1.0, 0.0], covariance=[[2.0, 1.0], [1.0, 2.0]])
    >>> data.eps(Schedule.linear()).shape
    (2,)
    """

    def __init__(self, mean: ArrayLike, covariance: ArrayLike) -> None:
        mean = _checks.array("mean", mean, ("D",), np.float64)
        covariance = _checks.array("covariance", covariance, (len(mean), len(mean)), np.float64)
        super().__init__([1.0], mean[None], _covariance("covariance", covariance)[None])


@dataclass(frozen=True)
class ExactEps:
    """eps*(x_t, t) = E[eps | x_t], the answer of a perfect network (Ho et al. 2020, eq 14 at its minimum).

    Made by `GaussianMixture.eps`; a model as every other, `eps = model(x, t)`.

    Parameters of the call
    ----------
    x : [N, D]
    t : int or int array [N], in 1..T

    Returns
    -------
    [N, D] in the dtype of x, float32 or float64
    """

    data: GaussianMixture
    schedule: Schedule

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (D,)."""
        return self.data.mean.shape

    def __call__(self, x: ArrayLike, t: Any) -> np.ndarray:
        x = _checks.array("x", x, ("N", *self.shape))
        t = _checks.steps("t", t, 1, self.schedule.T, len(x))
        alpha_bar = self.schedule.alpha_bar[t]
        score = self.data._log_density_and_score(x, alpha_bar)[1]
        return (-np.sqrt(1.0 - alpha_bar)[..., None] * score).astype(x.dtype)


def chain_moments(
    gaussian: Gaussian,
    schedule: Schedule,
    coefficients: Any,
    mean_T: ArrayLike | None = None,
    covariance_T: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean and covariance of every x_t down a reverse chain that has the Gaussian's eps* as its model.

    eps*(x, t) = sqrt(1 - alpha_bar_t) S^-1 (x - sqrt(alpha_bar_t) m), S = alpha_bar_t C + (1 - alpha_bar_t) I, is
    affine in x, so a step x_s = a x + b eps* + c z takes a Gaussian to a Gaussian.

    Parameters
    ----------
    gaussian : the data
    schedule : of the model
    coefficients : the sampler's steps in the order taken: anything with arrays t, s, a, b, c [K], where s is the
        next t, and 0 at the end (`reverse.coefficients` makes them)
    mean_T : [D], of the chain's start; zero unless given
    covariance_T : [D, D], of the chain's start; the identity unless given

    Returns
    -------
    means : float64 [K + 1, D], of the start and after each step
    covariances : float64 [K + 1, D, D]

    Raises
    ------
    ValueError : data that is not one Gaussian, steps that do not follow each other, shapes, NaN

    Examples
    --------
    One step of DDIM from t = 1000 to the end, x_0 = (x - sqrt(1 - alpha_bar) eps) / sqrt(alpha_bar):

    >>> from types import SimpleNamespace
    >>> schedule = Schedule.linear()
    >>> root, sigma = np.sqrt(schedule.alpha_bar[1000]), np.sqrt(1.0 - schedule.alpha_bar[1000])
    >>> step = SimpleNamespace(t=[1000], s=[0], a=[1.0 / root], b=[-sigma / root], c=[0.0])
    >>> means, covariances = chain_moments(Gaussian([3.0], [[4.0]]), schedule, step)
    >>> means.round(3).tolist()  # the data's mean: too long a step loses the data's spread, not its mean
    [[0.0], [3.0]]
    """
    _checks.instance("gaussian", gaussian, Gaussian)
    _checks.instance("schedule", schedule, Schedule)
    t, a, b, c = _checked_steps(coefficients, schedule.T)
    values, vectors = gaussian._eigenvalues[0], gaussian._eigenvectors[0]
    D = len(values)
    mean = np.zeros(D) if mean_T is None else _checks.array("mean_T", mean_T, (D,), np.float64)
    start = np.eye(D) if covariance_T is None else _checks.array("covariance_T", covariance_T, (D, D), np.float64)
    start = _covariance("covariance_T", start)

    # Along the eigenvectors of C each step multiplies coordinate d by one number, slope[d].
    m, mean, covariance = vectors.T @ gaussian.mean, vectors.T @ mean, vectors.T @ start @ vectors
    means, covariances = [mean], [covariance]
    for k, alpha_bar in enumerate(schedule.alpha_bar[t]):
        slope_eps = np.sqrt(1.0 - alpha_bar) / (alpha_bar * values + (1.0 - alpha_bar))
        slope = a[k] + b[k] * slope_eps
        mean = slope * mean - b[k] * slope_eps * np.sqrt(alpha_bar) * m
        covariance = slope[:, None] * covariance * slope + c[k] ** 2 * np.eye(D)
        means.append(mean)
        covariances.append(covariance)
    return np.array(means) @ vectors.T, vectors @ np.array(covariances) @ vectors.T


def _checked_steps(coefficients: Any, T: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """t, a, b, c as arrays [K] of one length, of steps each of which starts where the one before it ended."""
    missing = [name for name in "tsabc" if not hasattr(coefficients, name)]
    if missing:
        raise ValueError(f"coefficients: expected arrays t, s, a, b, c, got none named {', '.join(missing)}")
    t = _checks.steps("coefficients.t", np.atleast_1d(coefficients.t), 1, T)
    s = _checks.steps("coefficients.s", np.atleast_1d(coefficients.s), 0, T, len(t))
    if (t[1:] != s[:-1]).any():
        k = int(np.argmax(t[1:] != s[:-1]))
        raise ValueError(f"coefficients.t: expected t[{k + 1}] to be s[{k}] = {s[k]}, got {t[k + 1]}")
    a, b, c = (
        _checks.array(f"coefficients.{name}", np.atleast_1d(getattr(coefficients, name)), (len(t),), np.float64)
        for name in "abc"
    )
    return t, a, b, c


def _probabilities(weights: np.ndarray) -> np.ndarray:
    if weights.min() <= 0.0:
        raise ValueError(f"weights: expected positive numbers, got {weights.min():g}")
    if abs(weights.sum() - 1.0) > ROUNDING:
        raise ValueError(f"weights: expected a sum of 1, got {weights.sum():.12g}")
    return weights / weights.sum()


def _covariance(name: str, matrix: np.ndarray) -> np.ndarray:
    """`matrix`, symmetric to the bit, or a ValueError that says why it is no covariance."""
    allowed = ROUNDING * np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > allowed:
        raise ValueError(f"{name}: expected a symmetric matrix, got entries that differ from the transposed")
    matrix = (matrix + matrix.T) / 2.0
    lowest = np.linalg.eigvalsh(matrix)[0]
    if lowest < -allowed:
        raise ValueError(f"{name}: expected a positive semi-definite matrix, got an eigenvalue of {lowest:g}")
    return matrix


def _eigen(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [K, D], those that are rounding set to zero, and eigenvectors [K, D, D] as columns."""
    values, vectors = np.linalg.eigh(covariances)
    rounding = np.finfo(np.float64).eps * values.shape[1] * values[:, -1:]
    return np.where(values > rounding, values, 0.0), vectors
