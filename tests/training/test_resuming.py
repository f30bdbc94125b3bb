"""Whose folder a run is: one training at a time, and only with a checkpoint to go on with."""

from __future__ import annotations

import os

import pytest
from checks.runs import assert_same, short

from numpy_diffusion.training.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")


def test_two_do_not_train_in_one_folder(tmp_path):
    """The second is told so, and the first goes on as if nobody had come."""
    told: list[str] = []

    def second(run):
        for arguments in (dict(resume=True), {}):
            with pytest.raises(OSError, match=r"^out: expected a ") as caught:
                short(out=tmp_path / "run", **arguments)
            told.append(str(caught.value))

    run = short(out=tmp_path / "run", after_checkpoint=second)
    alone, new = told[:2]
    assert alone.endswith(f"to work in alone, but another process or thread is at work in {tmp_path / 'run'}")
    assert new.endswith("holds a checkpoint: resume it, or choose another")
    assert_same(run, short())
    assert_same(load_run(tmp_path / "run"), run)
    assert_same(short(out=tmp_path / "run", resume=True), run)


def test_resuming_needs_a_folder_with_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"^resume: expected `out`"):
        short(resume=True)
    with pytest.raises(FileNotFoundError, match="expected a folder with a checkpoint, found no such folder"):
        short(out=tmp_path / "run", resume=True)
    with pytest.raises(FileNotFoundError, match=r"expected a folder with a checkpoint, found no config\.json in it"):
        short(out=tmp_path, resume=True)
    assert os.listdir(tmp_path) == []
