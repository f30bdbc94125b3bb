"""The exact eps* of a finite data set: what a perfect network of unlimited capacity would learn from it.

Training sees no more of the data than its N points, so the loss has its minimum at the E[eps | x_t] of the empirical
distribution, which puts 1 / N on each of them (Karras et al. 2022, arXiv 2206.00364, appendix B.3):

    E[x_0 | x_t] = sum_n w_n x0_n,   w = softmax_n(-|x_t - sqrt(alpha_bar_t) x0_n|^2 / (2 (1 - alpha_bar_t)))
    eps*(x_t, t) = (x_t - sqrt(alpha_bar_t) E[x_0 | x_t]) / sqrt(1 - alpha_bar_t)

Why that is memorising: as t falls the noise becomes small against the distance between points, one weight goes to 1,
and E[x_0 | x_t] is the nearest training point itself.  So a sampler that follows eps* to t = 0 ends on training
points and nowhere else: that is the distribution that it was asked for.  All that a trained network draws between
them comes from not reaching this minimum, by its limited capacity and by the smoothness of what it can learn.

All is computed in float64, over blocks of the data.  What else is in the batch changes a row by rounding alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.noise import STREAM_DATA, WORD_RANGE, integers
from numpy_diffusion.oracles.exact_eps import ExactEps
from numpy_diffusion.process.columns import column
from numpy_diffusion.process.schedules import Schedule

BLOCK = 2**21  # weights in memory at a time, 16 MB


class FiniteData:
    """Data that is one of N points, each with probability 1 / N.

    Parameters
    ----------
    x0 : [N, ...], points or images: samples of any shape

    Attributes (float64)
    ----------
    x0 : as given
    mean : [...], of the data
    covariance : [D, D], of the data, D the size of a sample; made when it is first asked for

    Raises
    ------
    ValueError : fewer than two axes, no points, NaN

    Examples
    --------
    >>> coin = FiniteData([[-1.0], [1.0]])
    >>> coin.mean.tolist(), coin.covariance.tolist()
    ([0.0], [[1.0]])
    >>> model = coin.eps(Schedule.linear(T=1000))
    >>> model(np.array([[1.5], [-0.5]]), t=1000).round(2).tolist()  # x_T is noise: eps* is x_T itself
    [[1.5], [-0.5]]
    """

    def __init__(self, x0: ArrayLike) -> None:
        self.x0 = _checks.array("x0", x0, None, np.float64, min_ndim=2)
        self.mean = self.x0.mean(axis=0)
        # Weights are made of products x . x0; with the mean taken out these are small, and so is their rounding.
        self._offsets = (self.x0 - self.mean).reshape(len(self.x0), -1)
        self._half_norms = 0.5 * (self._offsets**2).sum(axis=1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(N={len(self.x0)}, shape={self.mean.shape})"

    @cached_property
    def covariance(self) -> np.ndarray:
        return self._offsets.T @ self._offsets / len(self.x0)

    def eps(self, schedule: Schedule) -> ExactEps:
        """The perfect network: a model `eps = model(x, t)`.  See `ExactEps`."""
        return ExactEps(self, _checks.instance("schedule", schedule, Schedule))

    def score(self, x: ArrayLike, t: Any, schedule: Schedule) -> np.ndarray:
        """grad log q(x_t) at x: float64 [M, ...].

        Parameters
        ----------
        x : [M, ...]
        t : int or int array [M], in 1..T; at 0 the data has no density

        Examples
        --------
        >>> schedule = Schedule.from_beta([0.5, 0.999])
        >>> FiniteData([[0.0, 0.0]]).score([[1.0, -2.0]], 1, schedule).round(6).tolist()  # N(0, 0.5 I)
        [[-2.0, 4.0]]
        """
        x, alpha_bar = self._checked(x, t, schedule)
        return -self.exact_eps(x, alpha_bar) / column(np.sqrt(1.0 - alpha_bar), x)

    def log_density(self, x: ArrayLike, t: Any, schedule: Schedule) -> np.ndarray:
        """log q(x_t) at x in nats: float64 [M].  Parameters as for `score`.

        Examples
        --------
        >>> schedule = Schedule.from_beta([0.5, 0.999])
        >>> FiniteData([[0.0]]).log_density([[0.0]], 1, schedule).round(4).tolist()  # N(0, 0.5)
        [-0.5724]
        """
        x, alpha_bar = self._checked(x, t, schedule)
        offset = self._offset(x, alpha_bar)
        log_sum = self._posterior(offset, alpha_bar)[0]
        variance = 1.0 - alpha_bar
        constant = 0.5 * offset.shape[1] * np.log(2.0 * np.pi * variance) + np.log(len(self.x0))
        return log_sum - 0.5 * (offset**2).sum(axis=1) / variance - constant

    def sample(self, n: int, seed: int) -> np.ndarray:
        """`n` draws of the data, with replacement: float32 [n, ...]; draw i is the same for every n.

        Examples
        --------
        >>> FiniteData([[5.0, 0.0]]).sample(2, seed=0).tolist()
        [[5.0, 0.0], [5.0, 0.0]]
        """
        n = _checks.integer("n", n, 1, WORD_RANGE)
        drawn = integers(_checks.seed(seed), STREAM_DATA, np.arange(n), 0, [len(self.x0)])[:, 0]
        return self.x0[drawn].astype(np.float32)

    def exact_eps(self, x: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
        """E[eps | x_t] = (x_t - sqrt(alpha_bar_t) E[x_0 | x_t]) / sqrt(1 - alpha_bar_t); see `ExactData`."""
        offset = self._offset(x, alpha_bar)
        return _eps(offset, self._posterior(offset, alpha_bar)[1], alpha_bar).reshape(x.shape)

    def exact_jvp(self, x: np.ndarray, alpha_bar: np.ndarray, tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and J v = (v - alpha_bar / (1 - alpha_bar) Cov[x_0 | x_t] v) / sqrt(1 - alpha_bar) of each v."""
        offset = self._offset(x, alpha_bar)
        log_sum, posterior = self._posterior(offset, alpha_bar)
        v = tangents.reshape(len(tangents), *offset.shape)
        along_covariance = np.zeros(v.shape)
        for x0, log_w in self._blocks(offset, alpha_bar):
            weights = np.exp(log_w - log_sum[:, None])
            for along, one in zip(along_covariance, v, strict=True):
                along += (weights * (one @ x0.T - (one * posterior).sum(axis=1, keepdims=True))) @ x0
        noise = (1.0 - alpha_bar)[:, None]
        along_eps = (v - alpha_bar[:, None] / noise * along_covariance) / np.sqrt(noise)
        return _eps(offset, posterior, alpha_bar).reshape(x.shape), along_eps.reshape(tangents.shape)

    def _checked(self, x: ArrayLike, t: Any, schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
        """x in float64, and the alpha_bar of each row [M] or of all [1]."""
        x = _checks.array("x", x, ("M", *self.mean.shape), np.float64)
        t = _checks.steps("t", t, 1, _checks.instance("schedule", schedule, Schedule).T, len(x))
        return x, np.atleast_1d(schedule.alpha_bar[t])

    def _offset(self, x: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
        """x_t from the mean of q(x_t): [M, D]."""
        return (x - column(np.sqrt(alpha_bar), x) * self.mean).reshape(len(x), -1)

    def _posterior(self, offset: np.ndarray, alpha_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log sum_n exp(log_w_n) [M], and E[x_0 | x_t] from the data's mean [M, D].

        Log-sum-exp block by block, the largest so far taken out.
        """
        largest, total = np.full(len(offset), -np.inf), np.zeros(len(offset))
        mean = np.zeros(offset.shape)
        for x0, log_w in self._blocks(offset, alpha_bar):
            before, largest = largest, np.maximum(largest, log_w.max(axis=1))
            old, new = np.exp(before - largest), np.exp(log_w - largest[:, None])
            total = old * total + new.sum(axis=1)
            mean = old[:, None] * mean + new @ x0
        return largest + np.log(total), mean / total[:, None]

    def _blocks(self, offset: np.ndarray, alpha_bar: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Points from their mean [B, D] and log w [M, B] but for a constant a row: |x_t|^2, which softmax drops."""
        signal, noise = np.sqrt(alpha_bar)[:, None], (1.0 - alpha_bar)[:, None]
        size = max(BLOCK // len(offset), 1)
        for first in range(0, len(self.x0), size):
            x0, half_norms = self._offsets[first : first + size], self._half_norms[first : first + size]
            yield x0, signal * (offset @ x0.T - signal * half_norms) / noise


def _eps(offset: np.ndarray, posterior: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
    """E[eps | x_t] from x_t and E[x_0 | x_t], each from its mean: [M, D]."""
    return (offset - np.sqrt(alpha_bar)[:, None] * posterior) / np.sqrt(1.0 - alpha_bar)[:, None]
