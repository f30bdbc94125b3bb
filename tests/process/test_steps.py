"""The steps that a chain visits: distinct, falling, and next to the levels that the papers print."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checks.exact import SCHEDULES
from hypothesis import given, settings
from hypothesis import strategies as st

from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import (
    check_start,
    chosen_pairs,
    chosen_steps,
    karras_steps,
    log_snr_steps,
    nearest_steps,
)

FLAT = settings(deadline=None, max_examples=60)


LINEAR = SCHEDULES["linear 1000"]


@FLAT
@given(T=st.integers(1, 1200), data=st.data())
def test_evenly_spaced_steps(T: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, T))
    schedule = Schedule.from_beta(np.full(T, 0.999))
    times = chosen_steps(schedule, number)
    assert times[0] == T
    assert len(times) == number
    gaps = -np.diff(np.append(times, 0))
    assert (gaps >= 1).all()
    assert (
        np.abs(gaps - T / number).max() < 1.5
    )  # two ends, each rounded by at most a half: never the first few steps
    np.testing.assert_array_equal(chosen_steps(schedule), np.arange(T, 0, -1))
    np.testing.assert_array_equal(chosen_steps(schedule, T), np.arange(T, 0, -1))


def test_steps_as_given_are_sorted_from_the_top() -> None:
    for given_steps in ([3, 1000, 20], (20, 3, 1000), np.array([1000, 20, 3], np.uint16)):
        assert chosen_steps(LINEAR, given_steps).tolist() == [1000, 20, 3]
    assert chosen_steps(LINEAR, [1000]).tolist() == [1000]
    assert chosen_steps(LINEAR, [3, 801]).tolist() == [801, 3]  # as files of other programs start below T
    for twice in ([3, 3], [1000, 20, 1000]):
        with pytest.raises(ValueError, match=r"^steps: expected each step once, got some twice$"):
            chosen_steps(LINEAR, twice)


@pytest.mark.parametrize(
    ("steps", "end", "t", "s"),
    [
        (4, 0, [1000, 750, 500, 250], [750, 500, 250, 0]),
        (4, 1, [1000, 750, 500, 250], [750, 500, 250, 1]),
        (4, 250, [1000, 750, 500], [750, 500, 250]),
        ([801, 401, 1], 0, [801, 401, 1], [401, 1, 0]),
        ([801, 401, 1], 1, [801, 401], [401, 1]),
        ([801, 401, 1], 800, [801], [800]),
        (None, 998, [1000, 999], [999, 998]),
    ],
)
def test_steps_lead_to_the_next_one_and_the_last_to_the_end(steps: Any, end: int, t: list[int], s: list[int]) -> None:
    found = chosen_pairs(LINEAR, steps, end)
    assert [ends.tolist() for ends in found] == [t, s]
    assert found[1].dtype == np.int64


def test_an_end_is_below_the_start_and_a_start_is_as_it_is_called() -> None:
    for end in (-1, 801, 0.0, True):
        with pytest.raises(ValueError, match=r"^end: expected an integer in 0\.\.800, got "):
            chosen_pairs(LINEAR, [801, 1], end)
    check_start("t", 801, np.array([801, 1]))
    for t in (800, 802):
        with pytest.raises(ValueError, match=rf"^steps: expected t = {t} among them.*, got 801 as the highest$"):
            check_start("t", t, np.array([801, 1]))


@FLAT
@given(name=st.sampled_from(sorted(SCHEDULES)), data=st.data())
def test_spaced_steps_are_distinct_and_reach_from_the_top_to_the_bottom(name: str, data: st.DataObject) -> None:
    schedule = SCHEDULES[name]
    n = data.draw(st.integers(1, schedule.T))
    for steps in (karras_steps(schedule, n), karras_steps(schedule, n, rho=1.0), log_snr_steps(schedule, n)):
        assert len(steps) == n
        assert (np.diff(steps) < 0).all()
        assert steps[0] == schedule.T
        assert steps[-1] == 1 or n == 1
        np.testing.assert_array_equal(chosen_steps(schedule, steps), steps)


def test_few_steps_lie_next_to_the_levels_that_are_printed() -> None:
    sigma, n = np.sqrt((1 - LINEAR.alpha_bar) / LINEAR.alpha_bar), 8
    high, low = sigma[1000], sigma[1]
    for rho in (7.0, 3.0):
        i = np.arange(n)
        levels = (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho  # their eq 5
        nearest = [1 + np.abs(np.log(sigma[1:]) - math.log(level)).argmin() for level in levels]
        assert karras_steps(LINEAR, n, rho).tolist() == nearest
    assert karras_steps(LINEAR, n).tolist() == karras_steps(LINEAR, n, 7.0).tolist()
    gaps = np.diff(LINEAR.log_snr[log_snr_steps(LINEAR, n)])
    np.testing.assert_allclose(gaps, gaps.mean(), rtol=0.06)  # the last is from 2 or 3 to 1, whichever is nearer


def test_nearest_steps() -> None:
    log_snr = LINEAR.log_snr
    assert nearest_steps(LINEAR, log_snr[1:]).tolist() == list(range(1, 1001))
    assert nearest_steps(LINEAR, np.array([-99.0, 99.0])).tolist() == [1000, 1]
    between = 0.51 * log_snr[400] + 0.49 * log_snr[401]
    assert nearest_steps(LINEAR, np.array([between])).tolist() == [400]
    assert nearest_steps(SCHEDULES["linear 1"], np.array([-99.0, 99.0])).tolist() == [1, 1]


@pytest.mark.parametrize("function", [karras_steps, log_snr_steps])
def test_bad_numbers_of_spaced_steps_are_refused_by_name(function: Any) -> None:
    for n in (0, 1001, 2.5, None, True):
        with pytest.raises(ValueError, match=r"^n: expected an integer in 1\.\.1000, got "):
            function(LINEAR, n)
    for refuses in (function, chosen_steps):
        with pytest.raises(ValueError, match=r"^schedule: expected a Schedule, got "):
            refuses("linear", 3)
    for rho in (0.0, -7.0, math.inf, "7"):
        with pytest.raises(ValueError, match=r"^rho: expected .*, got "):
            karras_steps(LINEAR, 3, rho)
