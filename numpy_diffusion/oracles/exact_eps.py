"""The perfect network of data whose distribution is known: E[eps | x_t] as a model, with its derivative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process.schedules import Schedule


class ExactData(Protocol):
    """What a distribution of data must know to have a perfect network.

    Both methods take and return float64, unchecked: x is [N, ...], and alpha_bar is [N], or [1] where all rows are at
    one step.
    """

    mean: np.ndarray  # of the data, [...]: it has the shape of one sample

    def exact_eps(self, x: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
        """E[eps | x_t = x], [N, ...]."""

    def exact_jvp(self, x: np.ndarray, alpha_bar: np.ndarray, tangents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and its derivative by x along each of the tangents [K, N, ...]: [K, N, ...]."""


@dataclass(frozen=True)
class ExactEps:
    """eps*(x_t, t) = E[eps | x_t], the answer of a perfect network (Ho et al. 2020, eq 14 at its minimum).

    Made by `GaussianMixture.eps` and `FiniteData.eps`; a model as every other, `eps = model(x, t)`.

    Parameters of the call
    ----------
    x : [N, ...]
    t : int or int array [N], in 1..T

    Returns
    -------
    [N, ...] in the dtype of x, float32 or float64; computed in float64
    """

    data: ExactData
    schedule: Schedule

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.data.mean.shape

    @property
    def T(self) -> int:
        """Of the schedule."""
        return self.schedule.T

    @property
    def bounded(self) -> bool:
        """Of an exact answer there is no error to grow."""
        return True

    def __call__(self, x: ArrayLike, t: Any) -> np.ndarray:
        x, alpha_bar = self._checked(x, t)
        return self.data.exact_eps(x.astype(np.float64), alpha_bar).astype(x.dtype)

    def jvp(self, x: ArrayLike, t: Any, tangent: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """eps*, and its derivative by x along the tangent [N, ...]; or [K, N, ...], K of them at once.

        Examples
        --------
        For N(0, I) eps* is sqrt(1 - alpha_bar) x:

        >>> from numpy_diffusion.oracles.gaussian_mixture import Gaussian
        >>> model = Gaussian([0.0], [[1.0]]).eps(Schedule.from_beta([0.36, 0.99]))
        >>> [values.round(2).tolist() for values in model.jvp([[2.0]], 1, [[1.0]])]
        [[[1.2]], [[0.6]]]

        A single point leaves eps* = (x - sqrt(alpha_bar) x0) / sqrt(1 - alpha_bar):

        >>> from numpy_diffusion.oracles.finite_data import FiniteData
        >>> model = FiniteData([[0.0, 0.0]]).eps(Schedule.from_beta([0.75, 0.999]))
        >>> model.jvp(np.ones((1, 2)), 1, np.array([[3.0, 0.0]]))[1].round(4).tolist()
        [[3.4641, 0.0]]
        """
        x, alpha_bar = self._checked(x, t)
        shape = x.shape if np.ndim(tangent) == x.ndim else ("K", *x.shape)
        tangent = _checks.array("tangent", tangent, shape, np.float64)
        eps, along = self.data.exact_jvp(x.astype(np.float64), alpha_bar, tangent.reshape(-1, *x.shape))
        return eps.astype(x.dtype), along.reshape(tangent.shape).astype(x.dtype)

    def _checked(self, x: ArrayLike, t: Any) -> tuple[np.ndarray, np.ndarray]:
        """x, and the alpha_bar of each row [N] or of all [1]."""
        x = _checks.array("x", x, ("N", *self.shape))
        return x, np.atleast_1d(self.schedule.alpha_bar[_checks.steps("t", t, 1, self.schedule.T, len(x))])
