"""Which steps of the schedule a chain takes: all, some evenly spaced, or where a solver has its difficulty."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process.schedules import Schedule


def chosen_steps(schedule: Schedule, steps: int | ArrayLike | None = None) -> np.ndarray:
    """The steps that a chain visits, falling: all from T down, `steps` of them evenly spaced, or those given.

    Examples
    --------
    >>> chosen_steps(Schedule.linear(T=1000), 4).tolist()
    [1000, 750, 500, 250]
    """
    T = _checks.instance("schedule", schedule, Schedule).T
    if steps is None:
        return np.arange(T, 0, -1)
    if np.ndim(steps) == 0:
        return evenly(_checks.integer("steps", steps, 1, T), T)
    chosen = _checks.steps("steps", steps, 1, T)
    if len(np.unique(chosen)) != len(chosen):
        raise ValueError("steps: expected each step once, got some twice")
    return np.sort(chosen)[::-1]


def evenly(number: int, start: int) -> np.ndarray:
    """So many steps from `start` down, evenly spaced: int64 [number]."""
    return np.round(np.arange(number, 0, -1) * (start / number)).astype(np.int64)


def check_start(name: str, t: int, steps: np.ndarray) -> None:
    """ValueError where steps that fall do not start at t, which the error calls by this name."""
    if steps[0] != t:
        raise ValueError(
            f"steps: expected {name} = {t} among them, where the chain starts, and none above, got {steps[0]} as the "
            "highest"
        )


def chosen_pairs(
    schedule: Schedule, steps: int | ArrayLike | None = None, end: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The steps t [K] of `chosen_steps` above `end`, and the step s [K] that each goes to: the next, at last `end`.

    Examples
    --------
    >>> [ends.tolist() for ends in chosen_pairs(Schedule.linear(T=1000), 3)]
    [[1000, 667, 333], [667, 333, 0]]
    >>> [ends.tolist() for ends in chosen_pairs(Schedule.linear(T=1000), [801, 401, 1], end=1)]
    [[801, 401], [401, 1]]
    """
    t = chosen_steps(schedule, steps)
    end = _checks.integer("end", end, 0, int(t[0]) - 1)
    t = t[t > end]
    return t, np.append(t[1:], end)


def karras_steps(schedule: Schedule, n: int, rho: float = 7.0) -> np.ndarray:
    """n steps of the schedule, those next to sigma^(1 / rho) evenly spaced (Karras et al. 2022, eq 5): int64 [n].

    Parameters
    ----------
    n : how many, in 1..T
    rho : 7 is their choice; larger takes more steps at small sigma

    Examples
    --------
    >>> karras_steps(Schedule.linear(T=1000), 6).tolist()
    [1000, 881, 712, 435, 78, 1]
    """
    rho = _checks.real("rho", rho, 1e-3)
    n = _checks.integer("n", n, 1, _checks.instance("schedule", schedule, Schedule).T)
    ends = -0.5 * schedule.log_snr[[-1, 1]]  # log sigma, of T and 1
    high, low = np.exp((ends - ends[0]) / rho)  # over the highest, so that nothing overflows
    return _distinct(schedule, -2.0 * (ends[0] + rho * np.log(np.linspace(high, low, n))))


def log_snr_steps(schedule: Schedule, n: int) -> np.ndarray:
    """n steps of the schedule, those next to a log-SNR evenly spaced (Lu et al. 2022): int64 [n], from T to 1.

    Examples
    --------
    >>> log_snr_steps(Schedule.linear(T=1000), 6).tolist()
    [1000, 786, 493, 139, 18, 1]
    """
    n = _checks.integer("n", n, 1, _checks.instance("schedule", schedule, Schedule).T)
    return _distinct(schedule, np.linspace(schedule.log_snr[-1], schedule.log_snr[1], n))


def _distinct(schedule: Schedule, log_snr: np.ndarray) -> np.ndarray:
    """The steps nearest to rising levels of log-SNR [n], moved as little as keeps them distinct and above 0.

    Steps t_0 > t_1 > ... that fall by at least one each time are, with k added to t_k, numbers that never rise.
    """
    n = len(log_snr)
    never_rising = np.minimum.accumulate(nearest_steps(schedule, log_snr) + np.arange(n))
    return np.maximum(never_rising, n) - np.arange(n)  # the last, t_{n-1}, is then at least 1


def nearest_steps(schedule: Schedule, log_snr: np.ndarray) -> np.ndarray:
    """The step of 1..T whose log-SNR is nearest to each of the levels [n]: int64 [n]."""
    rising = -schedule.log_snr[1:]  # as searchsorted needs it
    halfway = (rising[1:] + rising[:-1]) / 2.0  # between a step and the next
    return 1 + np.searchsorted(halfway, -log_snr)
