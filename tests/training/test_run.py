"""What training leaves, and what its folder gives back."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from checks.runs import SCHEDULE, assert_same, short

from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")


def test_run_says_what_was_done(whole):
    assert (whole.step, whole.steps, whole.interrupted) == (60, 60, False)
    assert whole.losses.shape == (60,)
    assert whole.losses.dtype == np.float32
    assert whole.schedule is SCHEDULE
    assert short(steps=3).path is None


def test_load_run_gives_the_run_back(whole):
    run = load_run(whole.path)
    assert_same(run, whole)
    assert (run.step, run.steps, run.interrupted, run.path) == (60, 60, False, whole.path)
    np.testing.assert_array_equal(run.schedule.beta, SCHEDULE.beta)
    x = sample(run.model, run.schedule, 5)
    np.testing.assert_array_equal(x, sample(whole.model, SCHEDULE, 5))


def test_a_run_without_what_it_takes_to_go_on_is_drawn_from_all_the_same(whole, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(whole.path / name, tmp_path)
    with pytest.warns(UserWarning, match=r"there is no training\.safetensors, so that the losses and steps are not"):
        run = load_run(tmp_path)
    np.testing.assert_array_equal(sample(run.model, run.schedule, 5), sample(whole.model, SCHEDULE, 5))
    assert (run.step, run.steps, run.interrupted, len(run.losses)) == (0, 0, False, 0)
