"""Two draws of each sample, and the better one kept: how DALL-E 2 draws an image's embedding for a text."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.kernels.precision import Precision
from numpy_diffusion.models.protocol import Model
from numpy_diffusion.noise import WORD_RANGE
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import Method

APART: Final = WORD_RANGE // 2  # from the number of a sample's first draw to that of its second


def better_of_two(
    model: Model,
    schedule: Schedule,
    towards: ArrayLike,
    seed: int = 0,
    *,
    method: Method = "ancestral",
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    steps: int | ArrayLike | None = None,
    end: int = 0,
    first: int = 0,
    progress: bool = True,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> np.ndarray:
    """Of two draws of each sample the one that has the larger dot product with `towards`.

    Ramesh et al. 2022, section 2.2: there the samples are embeddings of pictures, and `towards` those of their texts.

    Parameters
    ----------
    model : any callable eps = model(x, t), x [n, D] float32, t an int
    towards : [n, D], one for each sample
    seed : sample first + i of a seed is the same whatever else is in the call.  Its first draw is what `sample`
        gives, its second is sample number first + i + 2^31 of the same seed
    others : as for `sample`

    Returns
    -------
    float32 [n, D], in the data's units

    Raises
    ------
    ValueError : as for `sample`, and `towards` of another shape

    Examples
    --------
    >>> schedule, ahead = Schedule.linear(T=10), np.tile([0.0, 1.0], (500, 1))
    >>> z = better_of_two(lambda x, t: np.sqrt(1.0 - schedule.alpha_bar[t]) * x, schedule, ahead)
    >>> print(f"{z[:, 1].mean():.1f}")  # of x ~ N(0, I); the larger of two has the mean 1 / sqrt(pi) = 0.56
    0.6
    """
    towards = _checks.array("towards", towards, ("n", "D"), np.float64)
    n = len(towards)
    first = _checks.integer("first", first, 0, APART - n)
    one, two = (
        sample(
            model,
            schedule,
            n,
            seed,
            method=method,
            variance=variance,
            eta=eta,
            steps=steps,
            end=end,
            first=number,
            shape=towards.shape[1:],
            progress=progress,
            backend=backend,
            precision=precision,
        )
        for number in (first, first + APART)
    )
    better = (two * towards).sum(axis=1) > (one * towards).sum(axis=1)
    return np.where(better[:, None], two, one)
