"""Steps by each rule of spacing, computed by hand; `tests/parity` has those of diffusers beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import karras_steps
from numpy_diffusion.sampling.spacing import Solver, check_solver

LATENT = Schedule.quadratic(1000, beta_start=0.00085, beta_end=0.012, scale_to_T=False)
TEN = Schedule.linear(10)


@pytest.mark.parametrize(
    ("solver", "n", "steps"),
    [
        (Solver("ddim", "leading"), 4, [751, 501, 251, 1]),
        (Solver("ddim", "leading", 1), 4, [752, 502, 252, 2]),
        (Solver("ddim", "leading"), 3, [667, 334, 1]),  # 1000 // 3 = 333, and its multiples
        (Solver("ancestral", "leading"), 1, [1]),
        (Solver("heun", "leading", 1, 1), 2, [502, 2]),
        (Solver("dpm++2m", "leading"), 3, [751, 501, 251]),  # four points, and 0 left out
        (Solver("dpm++3m", "leading", 1), 3, [752, 502, 252]),
        (Solver("ddim", "linspace"), 4, [1000, 667, 334, 1]),
        (Solver("euler", "linspace", 7), 3, [1000, 501, 1]),  # 499.5 goes to the even one; no offset
        (Solver("heun", "linspace"), 1, [1]),
        (Solver("dpm++2m", "linspace"), 3, [1000, 667, 334]),
        (Solver("dpm++2m", "linspace"), 1, [1000]),
        (Solver("ddim", "trailing", 7), 4, [1000, 750, 500, 250]),
        (Solver("dpm++2m", "trailing"), 4, [1000, 750, 500, 250]),
        (Solver("euler", "trailing"), 3, [1000, 667, 333]),
        (Solver("euler", "trailing"), 1, [1000]),
    ],
)
def test_steps_by_hand(solver: Solver, n: int, steps: list[int]) -> None:
    found = solver.steps(n, LATENT)
    assert found.tolist() == steps
    assert found.dtype == np.int64


def test_steps_of_karras() -> None:
    for method in ("dpm++2m", "euler"):
        found = Solver(method, "karras").steps(6, LATENT)
        np.testing.assert_array_equal(found, karras_steps(LATENT, 6))
        assert found[[0, -1]].tolist() == [1000, 1]


def test_trailing_steps_are_as_many_as_asked_for() -> None:
    """By differences of T / n in floating point there is one more for some n, which would be step 0."""
    more = 0
    for n in range(1, 1001):
        steps = Solver("ddim", "trailing").steps(n, LATENT)
        assert (len(steps), steps[0]) == (n, 1000)
        assert steps[-1] >= 1
        more += len(np.arange(1000, 0, -(1000 / n))) > n
    assert more > 0


@pytest.mark.parametrize(
    ("solver", "n"),
    [
        *[(Solver("ddim", "leading"), n) for n in (0, 11, 2.5, None, True)],
        (Solver("ddim", "leading", 1), 10),  # 9 + 1 is no timestep of ten
        (Solver("ddim", "leading", 99), 2),
        (Solver("dpm++2m", "leading"), 10),  # 10 // 11 = 0
        (Solver("dpm++2m", "linspace"), 10),
        (Solver("dpm++2m", "karras"), 11),
    ],
)
def test_numbers_of_steps_that_a_chain_does_not_have_are_refused(solver: Solver, n: Any) -> None:
    with pytest.raises(ValueError, match=r"^steps: expected .*, got "):
        solver.steps(n, TEN)
    with pytest.raises(ValueError, match="schedule: expected a Schedule, got"):
        solver.steps(3, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("solver", "sentence"),
    [
        (Solver("plms", "leading"), "solver: method: expected one of"),  # type: ignore[arg-type]
        (Solver("ddim", "even"), "solver: spacing: expected one of"),  # type: ignore[arg-type]
        (Solver("ddim", "leading", 1.5), "solver: offset: expected an integer of at least 0"),  # type: ignore[arg-type]
        (Solver("ddim", "leading", end=-1), "solver: end: expected an integer of at least 0"),
        (("ddim", "leading"), "solver: expected a Solver"),
    ],
)
def test_what_is_no_solver_is_named(solver: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        check_solver(solver)
