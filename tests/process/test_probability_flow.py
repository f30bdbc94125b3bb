"""The weights integrate what they are made for exactly: polynomials in the angle phi, odd ones at the start."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.process.probability_flow import NODES, plan
from numpy_diffusion.process.schedules import Schedule

LINEAR, COSINE = Schedule.linear(T=1000), Schedule.cosine(T=1000)


def angle(u: np.ndarray) -> np.ndarray:
    return np.arctan(np.sinh(u))


def integral(low: float, high: float, power: int, origin: float) -> float:
    """Of (phi(u) - phi(origin))^power over u, by many small steps of Gauss."""
    place, weight = np.polynomial.legendre.leggauss(20)
    ends = np.linspace(low, high, 21)
    half = 0.5 * np.diff(ends)[:, None]
    u = ends[:-1, None] + half * (1.0 + place)
    return float((half * weight * (angle(u) - angle(np.array(origin))) ** power).sum())


@settings(deadline=None, max_examples=15)
@given(schedule=st.sampled_from([LINEAR, COSINE]), steps=st.integers(5, 60), data=st.data())
def test_weights_integrate_their_polynomials(schedule: Schedule, steps: int, data: st.DataObject) -> None:
    found = plan(schedule, steps)
    u = np.arcsinh(np.exp(-0.5 * schedule.log_snr[found.t]))
    m = len(found.start)
    assert m == NODES - 1
    j = data.draw(st.integers(0, m - 1), "row of the start")
    for power in range(1, 2 * m, 2):
        exact = integral(0.0, u[j + 1], power, 0.0)
        assert found.start[j] @ angle(u[1 : m + 1]) ** power == pytest.approx(exact, rel=1e-8)
    row = data.draw(st.integers(0, len(found.predict) - 1), "row")
    low, high = u[m + row], u[m + row + 1]
    for weights, last in ((found.predict[row], m + row), (found.correct[row], m + row + 1)):
        phi = angle(u[last - NODES + 1 : last + 1]) - angle(low)
        for power in range(NODES):
            exact = integral(low, high, power, low)
            size = (np.abs(weights) * np.abs(phi) ** power).sum()
            assert abs(weights @ phi**power - exact) <= 1e-9 * size + 1e-13


def test_nodes_are_the_steps_of_the_schedule_from_the_data_on() -> None:
    found = plan(LINEAR, [1000, 400, 30])
    assert found.t.tolist() == [0, 30, 400, 1000]
    np.testing.assert_allclose(found.tanh, np.sqrt(1.0 - LINEAR.alpha_bar[found.t]), rtol=1e-12)
    assert plan(LINEAR).t.tolist() == list(range(1001))


@pytest.mark.parametrize("steps", range(1, NODES + 2))
def test_few_steps_are_all_start(steps: int) -> None:
    found = plan(LINEAR, steps)
    assert len(found.start) == min(steps, NODES - 1)
    assert found.predict.shape == found.correct.shape == (max(0, steps + 1 - NODES), NODES)
