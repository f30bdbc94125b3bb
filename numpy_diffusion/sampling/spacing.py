"""A solver with the rule by which its steps are spaced: how those who made a model mean it to be sampled from.

Such rules count timesteps from 0 to T - 1; step t here is timestep t - 1.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, assert_never, get_args

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import karras_steps
from numpy_diffusion.sampling.solvers import METHODS, Method

Spacing = Literal["leading", "linspace", "trailing", "karras"]
SPACINGS: tuple[Spacing, ...] = get_args(Spacing)
WITHOUT_0: Final[tuple[Method, ...]] = ("dpm++2m", "dpm++3m")  # space one timestep more and leave out the lowest


class Solver(NamedTuple):
    """How to go down the chain: the arguments `method`, `steps` and `end` of `samplers.sample`.

    Attributes
    ----------
    method : of `sample`
    spacing : of the timesteps (Lin et al. 2024, table 2): "leading", from 0 up by T // n; "linspace", from 0 to
        T - 1; "trailing", from T - 1 down by T / n.  Of DPM-Solver++ the first two space one more, and leave out 0.
        Or "karras", of sigma^(1 / 7): `process.steps.karras_steps`
    offset : what "leading" adds to each timestep
    end : the step at which the chain ends: 0, x_0 itself, or 1, which is timestep 0

    Examples
    --------
    That of the first Stable Diffusion, by DDIM; and the steps of Euler's defaults:

    >>> Solver("ddim", "leading", offset=1, end=1).steps(5, Schedule.linear(T=1000)).tolist()
    [802, 602, 402, 202, 2]
    >>> Solver("euler", "linspace").steps(5, Schedule.linear(T=1000)).tolist()
    [1000, 750, 501, 251, 1]
    """

    method: Method
    spacing: Spacing
    offset: int = 0
    end: int = 0

    def steps(self, steps: int, schedule: Schedule) -> np.ndarray:
        """So many steps, timestep + 1 each: int64 [steps], falling.

        The lowest may be `end` itself; `sample` does not take that one.

        Raises
        ------
        ValueError : a number outside 1..T, or so large that the timesteps are not distinct or leave the chain; a
            solver that there is not
        """
        check_solver(self)
        T = _checks.instance("schedule", schedule, Schedule).T
        n = _checks.integer("steps", steps, 1, T)
        if self.spacing == "karras":
            return karras_steps(schedule, n)
        chosen = self._timesteps(n, T) + 1
        if chosen[0] > T or chosen[-1] < 1 or (np.diff(chosen) >= 0).any():
            spaced = f"{self.spacing!r} with offset {self.offset}"
            raise ValueError(f"steps: expected a number that are distinct and at most T by {spaced}, got {n}")
        return chosen

    def _timesteps(self, n: int, T: int) -> np.ndarray:
        """In 0..T - 1, unchecked: int64 [n], falling."""
        points = n + 1 if self.method in WITHOUT_0 else n
        match self.spacing:
            case "leading":
                return (np.arange(points) * (T // points))[::-1][:n] + self.offset
            case "linspace":
                return np.linspace(0, T - 1, points).round().astype(np.int64)[::-1][:n]
            case "trailing":
                # By differences, as diffusers has it: products round other halves.  Rounding may give one more, at 0.
                return np.arange(T, 0, -(T / n)).round().astype(np.int64)[:n] - 1
            case "karras":
                raise AssertionError("by sigma, see `steps`")
            case _:
                assert_never(self.spacing)


def check_solver(solver: Solver) -> None:
    """ValueError where a solver has a field of which there is no such value."""
    _checks.instance("solver", solver, Solver)
    _checks.choice("solver: method", solver.method, METHODS)
    _checks.choice("solver: spacing", solver.spacing, SPACINGS)
    _checks.integer("solver: offset", solver.offset, 0)
    _checks.integer("solver: end", solver.end, 0)
