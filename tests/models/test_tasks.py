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


def test_a_copy_of_a_state_is_apart_from_it() -> None:
    """So that a step that is cut short leaves the one before whole."""
    state = State(*np.arange(20.0).reshape(4, 5), history=np.zeros((6, 11)), step=3)
    other = copy.deepcopy(state)
    for field in dataclasses.fields(State):
        if field.name != "step":
            getattr(other, field.name)[:] = -1.0
    other.step += 1
    assert state.step == 3
    assert not any((getattr(state, name) == -1.0).any() for name in ("parameters", "m", "v", "average", "history"))
