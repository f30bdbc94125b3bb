"""From one sample to another through the chain (Ho et al. 2020, section 4.3 and figure 9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels import precision as precisions
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Model, check_schedule, described, members
from numpy_diffusion.noise import STREAM_INTERPOLATE, normal
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling.chain import run
from numpy_diffusion.sampling.from_step import table_from
from numpy_diffusion.sampling.solvers import Method


def interpolate(
    model: Model,
    schedule: Schedule,
    a: ArrayLike,
    b: ArrayLike,
    fractions: ArrayLike,
    t: int,
    seed: int = 0,
    *,
    method: Method = "ancestral",
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    progress: bool = True,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> np.ndarray:
    """Samples between a and b: both noised to x_t with one noise, mixed, and taken back down the chain.

    x_t = (1 - fraction) x_t(a) + fraction x_t(b).  All fractions share the noise, there and on the way down, so that
    neighbours look alike; fractions 0 and 1 are what the chain makes of a and b themselves.  A small t keeps what
    they look like, a large one what they have in common with all data.

    Parameters
    ----------
    model : any callable eps = model(x, t), x [F, ...] float32, t an int
    a, b : [*shape], in the data's units
    fractions : [F], from 0 at a to 1 at b
    t : the step from which the chain goes down, in 1..T
    seed : of the noise; a fraction's sample is the same whatever other fractions are in the call
    steps : how many of the steps 1..t to take, evenly spaced, or which, t among them; all unless given
    others : as for `sample`

    Returns
    -------
    float32 [F, *shape], in the data's units

    Raises
    ------
    ValueError : an argument out of its range or of no use to the method, or a model that returns another shape, NaN
        or infinity

    Examples
    --------
    >>> schedule = Schedule.linear(T=1000)
    >>> x = interpolate(lambda x, t: x, schedule, [0.0, 0.0], [1.0, 3.0], np.linspace(0.0, 1.0, 5), t=500)
    >>> x.shape
    (5, 2)
    """
    check_schedule(model, schedule)
    a = _checks.array("a", a, dtype=np.float64)
    known = described(model, a.shape if members(model).own_shape is None else None)
    shape = known.shape
    a, b = _checks.array("a", a, shape, np.float64), _checks.array("b", b, shape, np.float64)
    fractions = _checks.array("fractions", fractions, ("F",), np.float64)
    if fractions.min() < 0.0 or fractions.max() > 1.0:
        raise ValueError(f"fractions: expected numbers in 0..1, got {fractions.min():g}..{fractions.max():g}")
    seed = _checks.seed(seed)
    chain = table_from(known, schedule, t, method, steps, variance, eta, churn)

    share = fractions.reshape(-1, *(1,) * len(shape))
    x0 = known.units.to_model((1.0 - share) * a + share * b)
    eps = normal(seed, STREAM_INTERPOLATE, 0, t, a.size).reshape(shape)
    xt = np.sqrt(schedule.alpha_bar[t]) * x0 + np.sqrt(1.0 - schedule.alpha_bar[t]) * eps
    with backends.backend(chosen(backend)), precisions.precision(asked(precision)):
        return run(known, xt.astype(np.float32), chain, schedule, seed, progress=progress, shared=True)[0]
