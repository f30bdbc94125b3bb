"""The states of a training as checkpoints: what is written comes back, and of several processes one writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checks.mpi_jobs import POINTS, SCHEDULE
from checks.ranks import on_ranks

import numpy_diffusion as nd
from numpy_diffusion.models.condition import Condition
from numpy_diffusion.training import checkpoints, inputs
from numpy_diffusion.training.keeping import ARRAYS, beginning, first_checkpoint, keep_state, restored
from numpy_diffusion.training.sameness import terms

TRAINING = dict(steps=6, learning_rate=0.1, warmup=0, backend="numpy")


def first() -> checkpoints.Checkpoint:
    data = inputs.data(nd.MLP(dim=2, width=4, depth=0), POINTS, Condition())
    return first_checkpoint(data, SCHEDULE, TRAINING, "points")


def test_the_first_checkpoint_is_the_state_before_a_step() -> None:
    begun = first()
    state, losses = restored(begun, 6)
    assert (state.step, len(losses)) == (0, 6)
    assert set(begun.training) == set(ARRAYS)
    np.testing.assert_array_equal(state.parameters, begun.model.buffer)
    assert not state.m.any()
    assert terms(begun)["steps"] == 6


@pytest.mark.parametrize("size", [1, 3])
def test_one_of_the_processes_writes_the_state_and_tells(size: int, tmp_path: Path) -> None:
    begun, told = first(), []
    checkpoints.create(tmp_path / "run", begun)

    def job(ranks: object) -> int:
        state, losses = restored(first(), 6)
        state.step, losses[:3], state.average = 3, 0.5, state.average + 1.0
        own = first()
        return keep_state(
            tmp_path / "run", own, POINTS, "numpy", losses, ranks, state, lambda model, done: told.append(len(done))
        )

    assert on_ranks(size, job) == [3] * size
    assert told == [3]
    found = checkpoints.read(tmp_path / "run")
    assert len(found.training["losses"]) == 3
    np.testing.assert_array_equal(found.training["average"], begun.training["average"] + 1.0)


def test_processes_whose_weights_differ_are_ended() -> None:
    def job(ranks: object) -> None:
        state, losses = restored(first(), 6)
        state.parameters[0] = ranks.rank
        with pytest.raises(ValueError, match=r"^weights after step 0: expected \w{12} as on rank 0"):
            keep_state(None, first(), POINTS, "numpy", losses, ranks, state)

    on_ranks(2, job)


def test_the_beginning_is_told_by_what_is_stored() -> None:
    begun = first()
    assert beginning(begun, None).keys() == {"weights"}
    assert beginning(begun, begun) == {"checkpoint": beginning(begun, None)["weights"]}
