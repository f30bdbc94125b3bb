"""How a chain of DALL-E 2 is gone down: its fields, each checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numpy_diffusion.pipelines.unclip_stage import Stage
from numpy_diffusion.process.reverse import x0_from_eps
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.spacing import Solver

SCHEDULE = Schedule.cosine(T=100)


def test_steps_are_the_solver_s_its_own_or_those_of_a_call() -> None:
    stage = Stage(SCHEDULE, steps=4)
    assert stage.chosen().tolist() == [100, 67, 34, 1]
    assert stage.chosen(2).tolist() == [100, 1]
    assert Stage(SCHEDULE, Solver("ancestral", "trailing"), 1).chosen().tolist() == [100]
    assert Stage(SCHEDULE, Solver("ddim", "trailing"), 4, "beta").chosen().tolist() == [100, 75, 50, 25]


def test_x0_is_kept_in_the_range() -> None:
    def model(x: np.ndarray, t: int) -> np.ndarray:
        return -100.0 * np.sign(x)

    xt = np.array([[1.0, -1.0]])
    for stage, units, ends in (
        (Stage(SCHEDULE), {}, [1.0, -1.0]),
        (Stage(SCHEDULE, clip=3.0), dict(shift=np.array([1.0, 2.0]), scale=np.array([0.5, 2.0])), [2.5, -4.0]),
    ):
        x0 = x0_from_eps(xt, stage.within(model, **units)(xt, 50), 50, SCHEDULE)
        np.testing.assert_allclose(x0[0], ends, atol=1e-9)
    assert Stage(SCHEDULE, clip=None).within(model) is model


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_prediction_of_x0_becomes_one_of_eps(clip: float | None) -> None:
    def model(x: np.ndarray, t: int) -> np.ndarray:
        return np.full_like(x, 0.5)

    xt = np.array([[1.0, -1.0]])
    eps = Stage(SCHEDULE, clip=clip, prediction="x0").within(model)(xt, 50)
    np.testing.assert_allclose(x0_from_eps(xt, eps, 50, SCHEDULE), 0.5, atol=1e-9)


def test_options_are_those_of_sample() -> None:
    stage = Stage(SCHEDULE, Solver("ddim", "leading", 1, 1), 4, "beta")
    found = stage.options(stage.chosen())
    assert found.pop("steps").tolist() == [77, 52, 27, 2]
    assert found == dict(method="ddim", variance="beta", end=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(schedule=None), "schedule: expected a Schedule"),
        (dict(solver=Solver("ddim", "linspace")), "variance: expected 'beta' with method 'ddim'.* got 'beta_tilde'"),
        (dict(solver=Solver("none", "linspace")), "solver: method: expected one of"),  # type: ignore[arg-type]
        (dict(steps=0), r"steps: expected an integer in 2\.\.100, got 0"),
        (dict(steps=1), r"steps: expected an integer in 2\.\.100, got 1"),
        (dict(steps=101), r"steps: expected an integer in 2\.\.100, got 101"),
        (dict(variance="some"), "variance: expected one of"),
        (dict(prediction="noise"), "prediction: expected one of"),
        (dict(clip=0.0), "clip: expected a number above 0, or None, got 0"),
        (dict(clip=float("nan")), "clip: expected a finite number, got nan"),
    ],
)
def test_what_is_none_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stage(**dict(schedule=SCHEDULE) | changes)
    assert Stage(SCHEDULE, clip=None).clip is None
