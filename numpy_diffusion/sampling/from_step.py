"""A chain that starts from an x_t of its own and not from noise (Meng et al. 2022, "SDEdit", arXiv 2108.01073)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels import precision as precisions
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Described, Model, check_schedule, described, members
from numpy_diffusion.process import variances
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import check_start
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling import start
from numpy_diffusion.sampling.chain import run
from numpy_diffusion.sampling.growth import warn_of_growth
from numpy_diffusion.sampling.solvers import Method, coefficients


def sample_from(
    model: Model,
    schedule: Schedule,
    xt: ArrayLike,
    t: int,
    seed: int = 0,
    *,
    method: Method = "ancestral",
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    end: int = 0,
    first: int = 0,
    progress: bool = True,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> np.ndarray:
    """From x_t down the reverse chain, as `sample` goes down from noise: an image that was noised made anew.

    With x_t of `q_sample` a small t keeps what the data looks like, a large one only its outlines (Meng et al. 2022,
    section 3).  A solver that remembers its last predictions has none at t, and begins as it does at T.

    Parameters
    ----------
    model : any callable eps = model(x, t), x [n, ...] float32, t an int
    xt : [n, *shape], in the data's units, as `sample` gives with `keep`
    t : the step at which x_t is, in 1..T
    seed : of the chain's noise, for each sample as in `sample`
    steps : how many of the steps 1..t to take, evenly spaced, or which, t the highest of them; all unless given
    others : as for `sample`

    Returns
    -------
    float32 [n, *shape], x at `end` in the data's units

    Raises
    ------
    ValueError : as for `sample`

    Examples
    --------
    >>> from numpy_diffusion.sampling.samplers import sample
    >>> schedule = Schedule.linear(T=1000)
    >>> chain = sample(model := lambda x, t: 0.5 * x, schedule, 3, shape=(2,), steps=[1000, 600, 200], keep=[600, 0])
    >>> x = sample_from(model, schedule, chain[600], 600, steps=[600, 200])
    >>> bool((x == chain[0]).all())
    True
    """
    check_schedule(model, schedule)
    x = _checks.array("xt", xt, min_ndim=2)
    known = described(model, x.shape[1:] if members(model).own_shape is None else None)
    x = _checks.array("xt", x, ("n", *known.shape))
    _, seed, first = start.checked(len(x), seed, first)
    table = table_from(known, schedule, t, method, steps, variance, eta, churn, end)
    warn_of_growth(model, schedule, table, method, eta)
    x = known.units.to_model(x).astype(np.float32)
    with backends.backend(chosen(backend)), precisions.precision(asked(precision)):
        return run(known, x, table, schedule, seed, first, [end], progress=progress)[end]


def table_from(
    known: Described,
    schedule: Schedule,
    t: int,
    method: Method,
    steps: int | ArrayLike | None,
    variance: Variance | ArrayLike,
    eta: float,
    churn: float,
    end: int = 0,
) -> Coefficients:
    """The table of the chain from t down, as if the schedule ended there: churn, too, rises to t at most."""
    t = _checks.integer("t", t, 1, schedule.T)
    variance = variances.checked(variance, schedule, known.shape, known.learn_variance)
    if isinstance(variance, np.ndarray):
        variance = variance[: t + 1]
    until_t = Schedule(schedule.name, schedule.beta[: t + 1])
    table = coefficients(until_t, method, steps=steps, variance=variance, eta=eta, churn=churn, end=end)
    check_start("t", t, table.t)
    return table
