"""Exact answers where the data is Gaussian or a Gaussian mixture: the ground on which the samplers are proved.

Not those of this project alone.  A sampler that was written elsewhere takes an oracle for its network,

    data = GaussianMixture(weights, means, covariances)      # or Gaussian(mean, covariance), or FiniteData(points)
    eps = data.eps(schedule)(x, t)                           # schedule = Schedule.from_beta(your own betas)

and every error that is left is the sampler's own: what it draws has the mean and covariance `data.mean` and
`data.covariance`.  `sampler_check.check_sampler` does that in one call and says what deviates and by how much;
examples/check_your_sampler.py shows it on slips that shipped.  `FiniteData` is the third oracle, of a finite data
set: what a perfect network would learn from it, which is to memorise it.

If x_0 comes from N(m, C) then x_t comes from N(sqrt(alpha_bar_t) m, alpha_bar_t C + (1 - alpha_bar_t) I), and if
x_0 comes from a mixture of Gaussians then x_t comes from the mixture of those, with the same weights.  So log q(x_t)
and its gradient are known, and with them the perfect network (Song et al. 2021, arXiv 2011.13456):

    eps*(x_t, t) = E[eps | x_t] = -sqrt(1 - alpha_bar_t) grad log q(x_t)

All is computed in float64.  A row of a result does not depend on what else is in the batch, to the bit: sums over
features and components are loops of one order, since a matrix product may round otherwise for another batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.data import datasets
from numpy_diffusion.oracles.exact_eps import ExactEps
from numpy_diffusion.process.schedules import Schedule


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
    eigenvalues, eigenvectors : [K, D] and [K, D, D], of the covariances

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
        self.weights = _checks.probabilities("weights", weights, K)
        given = _checks.array("covariances", covariances, (K, D, D), np.float64)
        self.covariances = np.stack([_checks.covariance(f"covariances[{k}]", given[k], D) for k in range(K)])
        self.eigenvalues, self.eigenvectors = _eigen(self.covariances)
        self.mean = self.weights @ self.means
        offset = self.means - self.mean
        between = np.einsum("k,ki,kj->ij", self.weights, offset, offset)
        self.covariance = np.einsum("k,kij->ij", self.weights, self.covariances) + between

    def __repr__(self) -> str:
        K, D = self.means.shape
        return f"{type(self).__name__}(D={D})" if K == 1 else f"{type(self).__name__}(K={K}, D={D})"

    def eps(self, schedule: Schedule) -> ExactEps:
        """The perfect network: a model `eps = model(x, t)`.  See `ExactEps`."""
        return ExactEps(self, _checks.instance("schedule", schedule, Schedule))

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
        return datasets.mixture(n, self.weights, self.means, self.covariances, seed)

    def exact_eps(self, x: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
        """E[eps | x_t] = -sqrt(1 - alpha_bar_t) grad log q(x_t), [N, D]; see `ExactData`."""
        return -np.sqrt(1.0 - alpha_bar)[:, None] * self._log_density_and_score(x, alpha_bar)[1]

    def exact_jvp(self, x: np.ndarray, alpha_bar: np.ndarray, tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and J v = -sqrt(1 - alpha_bar_t) H v of each tangent v, H the Hessian of log q(x_t)."""
        score, along = self._score_and_hessian(x, alpha_bar, tangents)
        to_eps = -np.sqrt(1.0 - alpha_bar)[:, None]
        return to_eps * score, to_eps * along

    def _checked(self, x: ArrayLike, t: Any, schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
        x = _checks.array("x", x, ("N", self.means.shape[1]), np.float64)
        _checks.instance("schedule", schedule, Schedule)
        t = _checks.steps("t", t, 0, schedule.T, len(x))
        if t.min() == 0 and self.eigenvalues.min() == 0.0:
            raise ValueError("t: expected steps of at least 1 where a covariance is singular, got 0")
        return x, t

    def _log_density_and_score(self, x: np.ndarray, alpha_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log q(x_t) [N] and its gradient [N, D]: log-sum-exp over components, the largest so far taken out."""
        columns, alpha_bar = np.ascontiguousarray(x.T), np.atleast_1d(alpha_bar)
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

    def _score_and_hessian(
        self, x: np.ndarray, alpha_bar: np.ndarray, tangents: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """grad log q(x_t) [N, D], and its Hessian times the tangents [K, N, D], by the components' g_k and H_k:

        sum over k of r_k (H_k v + (g_k - score) ((g_k - score) . v)), r_k the probability of component k given x_t.
        """
        log_q, score = self._log_density_and_score(x, alpha_bar)
        columns, alpha_bar = np.ascontiguousarray(x.T), np.atleast_1d(alpha_bar)
        v = np.moveaxis(tangents, 2, 0)  # [D, K, N]
        along = np.zeros(v.shape)
        for k, weight in enumerate(self.weights):
            log_q_k, grad = self._component(k, columns, alpha_bar)
            share, offset = weight * np.exp(log_q_k - log_q), grad - score.T
            along += share * offset[:, None] * _dot(offset, v)
            variance = alpha_bar * self.eigenvalues[k][:, None] + (1.0 - alpha_bar)
            for vector, variance_d in zip(self.eigenvectors[k].T, variance, strict=True):
                along -= share / variance_d * vector[:, None, None] * _dot(vector, v)
        return score, np.moveaxis(along, 0, 2)

    def _component(self, k: int, x: np.ndarray, alpha_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log N(x; mean, covariance) of x_t's component k and its gradient: [N] and [D, N].

        x is [D, N]; alpha_bar is [N], or [1] where all rows share a step.  Along the eigenvectors of the data's
        covariance that of x_t is diagonal at every t.
        """
        vectors = self.eigenvectors[k]
        offset = x - np.sqrt(alpha_bar) * self.means[k][:, None]
        variance = alpha_bar * self.eigenvalues[k][:, None] + (1.0 - alpha_bar)
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
        super().__init__([1.0], mean[None], _checks.covariance("covariance", covariance, len(mean))[None])


def _dot(a: np.ndarray, b: np.ndarray) -> Any:
    """The sum of a[d] b[d] over d, in that order."""
    return sum(a_d * b_d for a_d, b_d in zip(a, b, strict=True))


def _eigen(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [K, D], those that are rounding set to zero, and eigenvectors [K, D, D] as columns."""
    values, vectors = np.linalg.eigh(covariances)
    rounding = np.finfo(np.float64).eps * values.shape[1] * values[:, -1:]
    return np.where(values > rounding, values, 0.0), vectors
