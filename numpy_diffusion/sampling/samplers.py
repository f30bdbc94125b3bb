"""Sampling: Algorithm 1 of the article (Ho et al. 2020, Algorithm 2), DDIM, and the solvers of the ODE.

Every sampler is the one loop of `chain` over a table of coefficients, which `solvers` makes and explains.
`interpolation` starts it elsewhere than at noise, and `inpainting` puts what is known into every x on its way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.models.protocol import Model, described
from numpy_diffusion.noise import STREAM_START, normal
from numpy_diffusion.process import variances
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.chain import run
from numpy_diffusion.sampling.solvers import Method, coefficients


def sample(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int = 0,
    *,
    method: Method = "ancestral",
    variance: str | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    keep: Sequence[int] | None = None,
    first: int = 0,
    shape: tuple[int, ...] | None = None,
    progress: bool = False,
    backend: Backend | None = None,
) -> Any:
    """Draw n samples from the model, down the reverse chain from x_T ~ N(0, I).

    Parameters
    ----------
    model : any callable eps = model(x, t), x [n, ...] float32, t an int
    n : how many samples
    seed : sample first + i of a seed is the same whatever else is in the call, on any number of threads
    method : "ancestral" (Algorithm 1), "ddim", "euler", "heun", "dpm++2m" or "dpm++3m"; see `solvers`
    variance : sigma_t^2 of Algorithm 1: "beta" or "beta_tilde" (Ho et al. section 3.2), "learned" where the model
        learned it, or an array [T + 1] or [T + 1, *shape] by t, such as `optimal_variance` gives
    eta : DDIM's noise, from 0, none, to 1, that of "beta_tilde" (Song et al. eq 16)
    churn : noise that euler and heun put back before each step: S_churn of Karras et al. 2022, Algorithm 2
    steps : how many steps of the schedule to take, evenly spaced, or which, for instance those of
        `steps.karras_steps`; all unless given
    keep : steps whose x_t to return: T, 0 or any step that the chain visits; with churn, those that it rises to
    first : number of the first sample, to draw more of the same seed or to split the work
    shape : of one sample, where the model has no attribute `shape`
    progress : show a bar on standard error
    backend : "numba": compiled kernels, for a network that has one the whole chain in one; "numpy": the definitions,
        from the loop of `chain` to the model's; that of `nd.backend` unless given

    Returns
    -------
    float32 [n, *shape], in the data's units; with `keep`, {t: float32 [n, *shape]} in the order of `keep`

    Raises
    ------
    ValueError : an argument out of its range or of no use to the method, or a model that returns another shape, NaN
        or infinity

    Examples
    --------
    >>> x = sample(lambda x, t: x, Schedule.linear(T=10), n=3, shape=(2,))
    >>> x.shape, x.dtype
    ((3, 2), dtype('float32'))
    """
    n = _checks.integer("n", n, 1, 2**32)
    seed, first = _checks.seed(seed), _checks.integer("first", first, 0, 2**32 - n)
    known = described(model, shape)
    form = chosen(backend)
    _checks.instance("schedule", schedule, Schedule)
    variance = variances.checked(variance, schedule, known.shape, known.learn_variance)
    table = coefficients(schedule, method, steps=steps, variance=variance, eta=eta, churn=churn)
    visited = [schedule.T, *table.s[table.accept].tolist()]
    wanted = [0] if keep is None else _checks.steps("keep", keep, 0, schedule.T).ravel().tolist()
    if missing := sorted(set(wanted) - set(visited)):
        raise ValueError(f"keep: expected steps that the chain visits, got {missing[0]}, which it does not")

    x = normal(seed, STREAM_START, first + np.arange(n), 0, math.prod(known.shape)).reshape(n, *known.shape)
    with backends.backend(form):
        snapshots = run(known, x, table, schedule, seed, first, wanted, progress=progress)
    return snapshots[0] if keep is None else snapshots
