"""Every kind of chain, and the exact moments of what the samplers draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from checks.chains import affine, large, small
from checks.exact import assert_gaussian_moments

from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.oracles.moments import chain_moments
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.sampling.solvers import coefficients

KINDS: dict[str, dict[str, Any]] = {
    "beta": dict(variance="beta"),
    "beta_tilde": dict(variance="beta_tilde"),
    "ddim 0": dict(method="ddim"),
    "ddim 0.5": dict(method="ddim", eta=0.5),
    "ddim 1": dict(method="ddim", eta=1.0),
}


DATA = Gaussian([1.0, -2.0], [[1.0, 0.6], [0.6, 0.5]])


def moments(schedule: Schedule, kind: str, times: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """What the moments must be at the start and after each step, from the coefficients as the papers print them."""
    if kind == "beta":
        steps = affine(schedule, times, large(schedule), ddim=False)
    elif kind == "beta_tilde":
        steps = affine(schedule, times, small(schedule), ddim=False)
    else:
        steps = affine(schedule, times, small(schedule, float(kind.split()[1])), ddim=True)
    return chain_moments(DATA, schedule, steps)


def check_chain_moments(
    schedule: Schedule, kind: str, n: int = 20_000, steps: Any = None, times: list[int] | None = None
) -> None:
    """Samples have the predicted mean and covariance at the start, in the middle and at the end.

    Five standard errors of n = 20,000 draws are 0.035 standard deviations of a mean and 5 % of a variance; of 2,000
    draws 0.11 and 16 %.
    """
    T = schedule.T
    means, covariances = moments(schedule, kind, times or list(range(T, 0, -1)))
    places = {T: 0, 0: -1} | ({} if steps else {T // 2: T - T // 2})
    chain = sample(DATA.eps(schedule), schedule, n, 7, steps=steps, keep=list(places), **KINDS[kind])
    for t, place in places.items():
        assert_gaussian_moments(chain[t], means[place], covariances[place])


SOLVERS: dict[str, dict[str, Any]] = {
    "euler": dict(method="euler"),
    "euler 4": dict(method="euler", churn=4.0),
    "heun": dict(method="heun"),
    "heun 4": dict(method="heun", churn=4.0),
    "dpm++2m": dict(method="dpm++2m"),
    "dpm++3m": dict(method="dpm++3m"),
}
ALL = KINDS | SOLVERS
EVERY = (*ALL, "array", "array each")  # the last two depend on the schedule and the shape


def options(kind: str, schedule: Schedule, size: int) -> dict[str, Any]:
    """The options of `sample` that a kind stands for, with a model of samples [size]."""
    if kind.startswith("array"):
        shape = (schedule.T + 1, size) if kind.endswith("each") else (schedule.T + 1,)
        return dict(variance=np.random.default_rng(3).uniform(0.0, 0.1, shape))
    return ALL[kind]


def halfway(kind: str, schedule: Schedule, steps: Any = None) -> int:
    """A step in the middle that the chain visits."""
    chain = coefficients(schedule, steps=steps, **options(kind, schedule, 1))
    visited = chain.s[chain.accept]
    return int(visited[len(visited) // 2])
