"""Short runs of a small MLP, what stops them, and whether two are the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from numpy_diffusion.data import datasets
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import loop as training
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.loop import train

SCHEDULE = Schedule.linear(T=100)
X0 = datasets.spiral(64, seed=0) * [3.0, 0.5] + [7.0, -1.0]
SHORT = dict(steps=60, batch=16, learning_rate=0.002, checkpoint_every=20, progress=False)


def small(seed: int = 0) -> MLP:
    return MLP(dim=2, width=8, depth=1, embedding=4, seed=seed)


def read_only(model: Any) -> Any:
    """The model as `joblib.load(..., mmap_mode="r")` gives it: what it holds cannot be written."""
    model.buffer.flags.writeable = False
    return model


def short(model: MLP | None = None, **settings) -> training.Run:
    return train(model or small(), SCHEDULE, X0, **SHORT | settings)


def assert_same(run: training.Run, expected: training.Run) -> None:
    np.testing.assert_array_equal(run.losses, expected.losses)
    for name in ("buffer", "shift", "scale"):
        np.testing.assert_array_equal(getattr(run.model, name), getattr(expected.model, name))


def assert_same_files(folder: Path, expected: Path) -> None:
    assert sorted(os.listdir(folder)) == sorted(os.listdir(expected)) == sorted(checkpoints.FILES)
    for name in checkpoints.FILES:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def interrupt(monkeypatch, *, after: int, error: BaseException) -> None:
    """Let training raise in the middle of a chunk, once `after` steps are past."""
    real = stepping.prepare

    def prepare(*arguments, **settings):
        advance = real(*arguments, **settings)

        def interrupted(state, losses):
            left = after - state.step
            if len(losses) > left:
                advance(state, losses[: max(left, 0)])
                raise error
            advance(state, losses)

        return interrupted

    monkeypatch.setattr(stepping, "prepare", prepare)
