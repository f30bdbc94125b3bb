"""Which known slip a sampler has: each step by itself, from the same x_t, beside the steps of `slips.sampler`.

A chain would carry an error along until it is no number; here every step sets out from exact draws of q(x_t).
"""

from __future__ import annotations

import copy
from typing import Any, Literal, assert_never

import numpy as np

from numpy_diffusion.evaluation.exercise import Case, Exercise, Function, Report, Sum, check
from numpy_diffusion.evaluation.slips import sampler as slips
from numpy_diffusion.oracles.gaussian_mixture import GaussianMixture
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_steps

Kind = Literal["ddim", "ancestral"]

SHORT = 20  # steps of a chain that skips none
SKIPPING = (8, 15)  # of the schedule's T: 1000 divides by the one and not by the other
ROWS = 6


def check_steps(
    step: Any, right: Any, schedule: Schedule, data: GaussianMixture, kind: Kind, v: float, tolerance: float
) -> Report:
    """The steps of a sampler of this kind, one by one, beside the right ones; v as for `check_sampler`."""
    match kind:
        case "ddim":
            wrong = slips.OF_DDIM
        case "ancestral":
            wrong = slips.of_ancestral(v)
        case _:
            assert_never(kind)
    whole = Schedule.linear(SHORT)
    ways: list[tuple[str, Schedule, int | None]] = [("no step skipped", whole, None)]
    ways += [(f"{n} steps of {schedule.T}", schedule, n) for n in SKIPPING if n < schedule.T]
    exercise = Exercise(
        "step(eps_model, x, t, s, schedule, z)",
        ("x_s",),
        _along(right),
        tuple(slip._replace(function=_along(slip.function)) for slip in wrong),
        lambda: [Case(name, _draws(data, own, chosen_steps(own, n).tolist())) for name, own, n in ways],
        _sums,
    )
    return check(exercise, _along(step), tolerance)


def answering_at_0(model: Any) -> Any:
    """The network, which at step 0 answers as at 1: who asks it at s is to be told so, and not stopped at the end."""
    return lambda x, t: model(x, np.maximum(t, 1))


def _draws(data: GaussianMixture, schedule: Schedule, times: list[int]) -> tuple[Any, ...]:
    """The network, the schedule, the steps [K], and for each x_t and z [K, ROWS, D]."""
    rng, shape = np.random.default_rng(0), (len(times), ROWS, len(data.mean))
    signal, noise = (np.sqrt(a[times])[:, None, None] for a in (schedule.alpha_bar, 1.0 - schedule.alpha_bar))
    x = signal * data.sample(ROWS, 0) + noise * rng.normal(size=shape)
    return answering_at_0(data.eps(schedule)), schedule, times, x, rng.normal(size=shape)


def _sums(model: Any, schedule: Schedule, times: list[int], x: np.ndarray, z: np.ndarray) -> list[Sum]:
    ends = enumerate(zip(times, [*times[1:], 0], strict=True))
    return [
        Sum(f"the step from {t} to {s} of {schedule.T}", k, {"x_t": x[k], "eps": model(x[k], t), "z": z[k]})
        for k, (t, s) in ends
    ]


def _along(step: Any) -> Function:
    """All steps of a chain [K, ROWS, D], on a copy of what may keep a history."""

    def steps(model: Any, schedule: Schedule, times: list[int], x: np.ndarray, z: np.ndarray) -> np.ndarray:
        own = copy.deepcopy(step)
        ends = zip(times, [*times[1:], 0], strict=True)
        return np.stack([own(model, x[k], t, s, schedule, z[k]) for k, (t, s) in enumerate(ends)])

    return steps
