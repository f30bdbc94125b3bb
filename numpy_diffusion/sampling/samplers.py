"""Sampling: Algorithm 1 of the article (Ho et al. 2020, Algorithm 2), DDIM, and the solvers of the ODE.

Every sampler is the one loop of `chain` over a table of coefficients, which `solvers` makes and explains.
`from_step` and `interpolation` start it elsewhere than at noise, and `inpainting` puts what is known into every x on
its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels import precision as precisions
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Described, Model, check_schedule, described
from numpy_diffusion.process import variances
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance
from numpy_diffusion.sampling import start
from numpy_diffusion.sampling.chain import in_data_units, rows, run
from numpy_diffusion.sampling.growth import warn_of_growth
from numpy_diffusion.sampling.solvers import Method, coefficients


def sample(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int = 0,
    *,
    method: Method = "ancestral",
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    end: int = 0,
    keep: Sequence[int] | None = None,
    first: int = 0,
    shape: tuple[int, ...] | None = None,
    progress: bool = True,
    backend: Backend | None = None,
    precision: Precision | None = None,
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
        `steps.karras_steps`; all unless given.  The chain starts at the highest of them, whose x_t is taken for
        N(0, I): it is that where little signal is left there, as close to T.  Where hardly any is left, as at the T
        of the cosine schedule, few steps without noise spoil the samples, and a warning says where to begin
    end : the step at which the chain ends; steps at or below it are not taken.  0 is the data itself; 1 is how files
        of other programs have it where they are asked not to leave the chain
    keep : steps whose x_t to return: the highest, `end` or any step that the chain visits; with churn, those that it
        rises to
    first : number of the first sample, to draw more of the same seed or to split the work
    shape : of one sample, where the model has no attribute `shape`
    progress : show a bar on standard error, if it takes longer than a second
    backend : "numba": compiled kernels, for a network that has one the whole chain in one; "numpy": the definitions,
        from the loop of `chain` to the model's; that of `nd.backend` unless given
    precision : "float32", or "bfloat16" for a U-Net's products; that of `nd.precision` unless given

    Returns
    -------
    float32 [n, *shape], x at `end` in the data's units; with `keep`, {t: float32 [n, *shape]} in the order of `keep`.
    float64 where float32 could not tell the data's numbers apart, as with times in seconds since 1970

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
    call = _checked(model, schedule, n, seed, first, shape, method, variance, eta, churn, steps, end)
    form, rounding = chosen(backend), asked(precision)
    visited = [int(call.table.t[0]), *call.table.s[call.table.accept].tolist()]
    wanted = [end] if keep is None else _checks.steps("keep", keep, 0, schedule.T).ravel().tolist()
    if missing := sorted(set(wanted) - set(visited)):
        raise ValueError(f"keep: expected steps that the chain visits, got {missing[0]}, which it does not")

    with backends.backend(form), precisions.precision(rounding):
        snapshots = run(*call, wanted, progress=progress)
    return snapshots[end] if keep is None else snapshots


def sample_steps(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int = 0,
    *,
    method: Method = "ancestral",
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    steps: int | ArrayLike | None = None,
    end: int = 0,
    first: int = 0,
    shape: tuple[int, ...] | None = None,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Draw n samples as `sample` does, and stop after each step, so that it can be looked at.

    Parameters
    ----------
    all : as for `sample`

    Yields
    ------
    (t, x) : the step that was arrived at, `end` at last, and x_t there, float32 [n, *shape] in the data's units: to
        the bit what `sample` gives with keep=[t]

    Raises
    ------
    ValueError : as for `sample`; of the arguments at the call

    Examples
    --------
    >>> for t, x in sample_steps(lambda x, t: x, Schedule.linear(T=1000), n=3, shape=(2,), steps=4):
    ...     print(t, x.shape)
    750 (3, 2)
    500 (3, 2)
    250 (3, 2)
    0 (3, 2)
    """
    call = _checked(model, schedule, n, seed, first, shape, method, variance, eta, churn, steps, end)
    return _one_by_one(call, chosen(backend), asked(precision))


def _one_by_one(call: _Call, form: Backend, rounding: Precision) -> Iterator[tuple[int, np.ndarray]]:
    ends = np.flatnonzero(call.table.accept)
    walk = rows(*call, ends.tolist())
    while True:
        with backends.backend(form), precisions.precision(rounding):  # for the step alone, not for what follows
            arrived = next(walk, None)
        if arrived is None:
            return
        k, y = arrived
        if call.table.accept[k]:
            yield int(call.table.s[k]), in_data_units(call.model, y)


class _Call(NamedTuple):
    """The arguments of a sampler, checked: those that `chain.run` and `chain.rows` begin with."""

    model: Described
    xT: np.ndarray  # at the chain's first step
    table: Coefficients
    schedule: Schedule
    seed: int
    first: int


def _checked(
    model: Model,
    schedule: Schedule,
    n: int,
    seed: int,
    first: int,
    shape: tuple[int, ...] | None,
    method: Method,
    variance: Variance | ArrayLike,
    eta: float,
    churn: float,
    steps: int | ArrayLike | None,
    end: int,
) -> _Call:
    """The arguments of `sample`, and what they come to: x_T, and the table of the chain."""
    n, seed, first = start.checked(n, seed, first)
    known = described(model, shape)
    check_schedule(model, schedule)
    variance = variances.checked(variance, schedule, known.shape, known.learn_variance)
    table = coefficients(schedule, method, steps=steps, variance=variance, eta=eta, churn=churn, end=end)
    warn_of_growth(model, schedule, table, method, eta)
    return _Call(known, start.noise(n, known.shape, seed, first), table, schedule, seed, first)
