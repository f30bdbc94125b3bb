"""Training step by step: the same steps as in one go, each handed out, with a model that can be drawn from."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
from checks.runs import read_only

from numpy_diffusion.data import datasets
from numpy_diffusion.models.shares import ALONE
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training.interrupts import stopping
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.optimizers import learning_rates
from numpy_diffusion.training.step import start
from numpy_diffusion.training.steps import TrainingStep, hand_over, train_steps

SCHEDULE = Schedule.linear(T=100)
X0 = datasets.spiral(64, seed=0) * [3.0, 0.5] + [7.0, -1.0]
SHORT = dict(steps=12, batch=16, learning_rate=0.002, seed=3)


def small() -> MLP:
    return MLP(dim=2, width=8, depth=1, embedding=4)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_step_by_step_is_the_whole_training(backend) -> None:
    """The losses and, at every step, the averaged weights and units of a run that is read at every step."""
    expected, model = [], small()
    run = train(
        small(), SCHEDULE, X0, **SHORT, backend=backend, checkpoint_every=1, progress=False,
        after_checkpoint=lambda run: expected.append(run.model),
    )  # fmt: skip
    rates = learning_rates(0.002, 12, warmup=1)
    for done, now in zip(train_steps(model, SCHEDULE, X0, **SHORT, backend=backend), expected, strict=True):
        assert done == TrainingStep(done.step, run.losses[done.step - 1], rates[done.step - 1])
        for name in ("buffer", "shift", "scale"):
            np.testing.assert_array_equal(getattr(model, name), getattr(now, name))
    assert done.step == 12


def test_who_leaves_the_loop_keeps_what_was_trained() -> None:
    model, expected = small(), small()
    for done in train_steps(model, SCHEDULE, X0, **SHORT):
        if done.step == 5:
            break
    steps = train_steps(expected, SCHEDULE, X0, **SHORT)
    for _ in range(5):
        next(steps)
    np.testing.assert_array_equal(model.buffer, expected.buffer)
    assert not np.array_equal(model.buffer, small().buffer)


def test_a_bad_argument_is_told_at_the_call_and_nothing_is_done_before_the_first_step() -> None:
    model = small()
    with pytest.raises(ValueError, match=r"^batch: expected an integer"):
        train_steps(model, SCHEDULE, X0, batch=0)
    train_steps(model, SCHEDULE, X0)
    np.testing.assert_array_equal(model.buffer, small().buffer)
    np.testing.assert_array_equal(model.shift, 0.0)


def test_a_model_that_cannot_be_written_is_refused_and_its_copy_trained() -> None:
    model = read_only(small())
    with pytest.raises(ValueError, match=r"^model: expected weights that can be written, .* train model\.copy\(\)$"):
        train_steps(model, SCHEDULE, X0, **SHORT)
    assert len(list(train_steps(model.copy(), SCHEDULE, X0, **SHORT, backend="numpy"))) == 12


class Interrupted(MLP):
    """By Ctrl-C, as soon as its weights are new and its units are not."""

    armed = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "shift" and self.armed:
            signal.raise_signal(signal.SIGINT)
        super().__setattr__(name, value)


def test_ctrl_c_leaves_no_model_with_new_weights_and_old_units() -> None:
    model, trained = Interrupted(2, 8, 1), MLP(2, 8, 1, seed=1)
    trained.shift, trained.T = np.float32([3.0, 4.0]), 10
    model.armed = True
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stopping(ALONE), pytest.raises(KeyboardInterrupt):
            hand_over(model, trained, start(trained, 10), np.zeros((1, 2)), "numba")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (model.shift.tolist(), model.T) == ([3.0, 4.0], 10)
    np.testing.assert_array_equal(model.buffer, trained.buffer)
