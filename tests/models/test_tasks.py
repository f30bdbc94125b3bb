"""The records that training and a network hand to each other."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

from numpy_diffusion.models.condition import Condition
from numpy_diffusion.models.tasks import Adam, State, Task
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule

ARRAYS = ("parameters", "m", "v", "average", "history")


def task() -> Task:
    rates = np.full(3, 0.1)
    return Task(
        MLP(2, 4, 0), Schedule.linear(T=5), np.zeros((4, 2), np.float32), Condition(), 2, Adam(), rates, rates, 0
    )


def test_adams_settings_are_those_of_the_papers() -> None:
    """Kingma and Ba 2015, Algorithm 1; no decay."""
    assert tuple(Adam()) == (0.9, 0.999, 1e-8, 0.0)


def test_a_task_stays_the_same_and_leaves_nothing_out_unless_it_says_so() -> None:
    given = task()
    assert (given.label_dropout, given.mirror) == (0.0, False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        given.batch = 3  # type: ignore[misc]
    assert given != task()  # arrays have no one answer


def state() -> State:
    return State(*np.arange(20.0).reshape(4, 5), history=np.zeros((6, 11)), step=3)


def test_a_copy_of_a_state_is_apart_from_it() -> None:
    first, other = state(), copy.deepcopy(state())
    for name in ARRAYS:
        getattr(other, name)[:] = -1.0
    other.step += 1
    assert first.step == 3
    assert not any((getattr(first, name) == -1.0).any() for name in ARRAYS)


def test_a_state_knows_what_its_parameters_do_not_exceed() -> None:
    assert state().reach == 4.0
    assert State(np.array([-7.0, 5.0]), *np.zeros((3, 2)), history=np.zeros((1, 11)), step=0).reach == 7.0


def test_other_arrays_take_the_place_of_a_states_own() -> None:
    one, arrays = state(), -np.arange(20.0).reshape(4, 5)[::-1]
    move = one.replaced(*arrays)
    assert one.parameters[1] == 1.0
    move.make()
    assert move.finite
    assert (one.reach, one.step) == (19.0, 3)
    for name, values in zip(ARRAYS, arrays, strict=False):
        np.testing.assert_array_equal(getattr(one, name), values)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_arrays_that_are_not_finite_are_told(number: int, value: float) -> None:
    arrays = np.zeros((4, 5))
    arrays[number, 2] = value
    assert not state().replaced(*arrays).finite


@pytest.mark.parametrize(("squares", "rate", "finite"), [(True, 0.1, True), (False, 0.1, False), (True, 1e37, False)])
def test_a_kernels_move_is_finite_where_its_gradient_and_the_reach_are(
    squares: bool, rate: float, finite: bool
) -> None:
    called: list[int] = []
    one = state()
    move = one.in_place(lambda: called.append(1), squares, rate, Adam())
    assert (move.finite, called) == (finite, [])
    move.make()
    assert called == [1]
    assert one.reach == Adam().reach(4.0, rate)


@pytest.mark.parametrize("adam", [Adam(), Adam(0.0, 0.9), Adam(0.8, 0.95, weight_decay=0.5)])
def test_the_reach_is_that_of_the_worst_gradients(adam: Adam) -> None:
    """By the inequality of Cauchy and Schwarz, those that grow by beta2 / beta1 a step, when there were many."""
    steps, rate = 3000, 0.1
    grow = np.exp(np.minimum(0.0, np.log(adam.beta2 / max(adam.beta1, 1e-9)) * np.arange(1 - steps, 1)))
    m, v = 0.0, 0.0
    for g in grow:
        m, v = adam.beta1 * m + (1.0 - adam.beta1) * g, adam.beta2 * v + (1.0 - adam.beta2) * g * g
    moved = abs(1.0 - rate * adam.weight_decay) * 2.0 + rate * m / np.sqrt(v)
    assert moved == pytest.approx(adam.reach(2.0, rate), rel=1e-3)
