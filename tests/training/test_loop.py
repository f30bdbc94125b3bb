"""Training: it learns, it survives whatever stops it, and goes on as if nothing had."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
from checks.bars import at_once
from checks.runs import SCHEDULE, SHORT, X0, assert_same, interrupt, read_only, short, small

from numpy_diffusion.data import datasets
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")


# What is learned


def test_loss_comes_down_to_that_of_the_exact_noise():
    """For x_0 ~ N(0, 1) the best eps is sqrt(1 - alpha_bar_t) x_t, and its loss alpha_bar_t, over t their mean.

    The last 500 steps see 128,000 points of variance below 1: five standard errors are 0.014.
    """
    x0 = datasets.gaussian(4096, [5.0], [[9.0]])
    model = MLP(dim=1, width=16, depth=1)
    run = train(model, SCHEDULE, x0, steps=2000, batch=256, progress=False)
    assert abs(run.losses[0] - 1.0) < 5 * np.sqrt(2 / 256)  # eps = 0 at first
    assert abs(run.losses[-500:].mean() - SCHEDULE.alpha_bar[1:].mean()) < 0.014 + 0.01
    x = sample(model, SCHEDULE, 4096, seed=1)
    assert abs(x.mean() - 5.0) < 0.3  # a standard error is 3 / 64 = 0.05; the rest is the network's
    assert abs(x.std() - 3.0) < 0.3


def test_model_holds_the_average_of_the_weights(whole):
    arrays = checkpoints.read(whole.path).training
    np.testing.assert_array_equal(whole.model.buffer, arrays["average"])
    assert not (arrays["parameters"] == arrays["average"]).any()
    constant = short(average_decay=0.0)
    assert not np.array_equal(constant.model.buffer, whole.model.buffer)


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 10.0])
def test_length_of_the_chunks_changes_nothing(monkeypatch, whole, seconds):
    monkeypatch.setattr(stepping, "CHUNK_SECONDS", seconds)
    assert_same(short(checkpoint_every=7), whole)


def test_bar_shows_steps_loss_and_speed(capsys, monkeypatch):
    at_once(monkeypatch)
    run = short(progress=True)
    printed = capsys.readouterr().err
    assert "60/60" in printed
    assert " steps/s" in printed
    assert f"loss={run.losses.mean():.4f}" in printed
    short()
    assert capsys.readouterr().err == ""


def test_backend_numpy_trains_alike():
    kernel, definition = short(), short(backend="numpy")
    np.testing.assert_allclose(definition.losses, kernel.losses, rtol=1e-3)
    assert not np.array_equal(definition.model.buffer, kernel.model.buffer)


# Places and numbers that will not do


def never(monkeypatch) -> None:
    """Fail if a step is taken."""
    interrupt(monkeypatch, after=-1, error=AssertionError("training has started"))


def test_taken_or_unwritable_places_are_reported_before_training(tmp_path, monkeypatch, whole):
    never(monkeypatch)
    model = small()
    (tmp_path / "file").write_text("mine")
    for out, sentence in (
        (whole.path, "holds a checkpoint: resume it, or choose another"),
        (tmp_path, "holds files"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "run", "cannot write to"),
    ):
        with pytest.raises(OSError, match=f"^out: .*{sentence}"):
            short(model, out=out)
    assert (tmp_path / "file").read_text() == "mine"
    np.testing.assert_array_equal(model.buffer, small().buffer)
    np.testing.assert_array_equal(model.scale, [1.0, 1.0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_reported_before_training(tmp_path, monkeypatch):
    never(monkeypatch)
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"^out: cannot write to .*: Permission denied$"):
        short(out=tmp_path / "run")


def fill_the_disk(monkeypatch) -> None:
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


def test_full_disk_is_reported_before_training(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt(patch, after=30, error=KeyboardInterrupt())
        short(out=tmp_path / "begun")
    begun = load_run(tmp_path / "begun")
    never(monkeypatch)
    fill_the_disk(monkeypatch)
    for out, resume in ((tmp_path / "run", False), (tmp_path / "begun", True)):
        with pytest.raises(OSError, match=r"^out: cannot write to .*: No space left on device$"):
            short(out=out, resume=resume)
    assert os.listdir(tmp_path) == ["begun"]
    assert_same(load_run(tmp_path / "begun"), begun)


def test_disk_that_fills_while_training_keeps_the_last_checkpoint_and_the_model(tmp_path, monkeypatch, whole):
    model, out, real = small(), tmp_path / "run", checkpoints.write
    with monkeypatch.context() as patch:

        def write(folder, checkpoint):
            if len(checkpoint.training["losses"]) == 40:
                fill_the_disk(patch)
            real(folder, checkpoint)

        patch.setattr(checkpoints, "write", write)
        with pytest.raises(OSError, match=r"^out: cannot write to .*: No space left on device$"):
            short(model, out=out)
    assert load_run(out).step == 20
    assert not np.array_equal(model.buffer, load_run(out).model.buffer)
    assert_same(short(out=out, resume=True), whole)


def test_divergence_stops_training_and_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    model = small()
    real = MLP.own_steps

    def own_steps(self, task):
        take = real(self, task)

        def diverging(state, most, *rest):
            taken = take(state, most, *rest)
            if state.step + len(taken.losses) >= 47:
                taken.losses[46 - state.step] = np.nan
            return taken

        return diverging

    monkeypatch.setattr(MLP, "own_steps", own_steps)
    monkeypatch.setattr(stepping, "CHUNK_SECONDS", 10.0)  # chunks of 20 steps
    with pytest.raises(
        FloatingPointError, match=r"^loss: expected finite numbers, got nan at step 47: .*learning_rate"
    ):
        short(model, out=tmp_path / "run")
    assert load_run(tmp_path / "run").step == 40
    np.testing.assert_array_equal(model.buffer, load_run(tmp_path / "run").model.buffer)


def test_too_high_a_learning_rate_is_told(tmp_path):
    with pytest.raises(
        FloatingPointError, match=r"^(loss|weights): expected finite numbers, .* learning_rate may help"
    ):
        short(learning_rate=1e38, warmup=0, out=tmp_path / "run")
    assert np.isfinite(load_run(tmp_path / "run").model.buffer).all()


BAD = {
    "model": [lambda x, t: x, MLP(dim=2, dtype=np.float64), read_only(small()), None],
    "schedule": [None, "linear", [0.1, 0.2]],
    "x0": [
        None,
        "x0",
        [],
        np.zeros((0, 2)),
        np.zeros(2),
        np.zeros((4, 3)),
        [[1.0, np.nan]],
        [[1.0, np.inf]],
        [[1j, 2]],
    ],
    "steps": [0, -1, 1.5, "10", True, None],
    "batch": [0, 2.0],
    "labels": [[0] * 64],
    "label_dropout": [0.1],
    "mirror": [True, 1, None],
    "learning_rate": [-1.0, np.nan, np.inf, "fast"],
    "warmup": [-1, 61, 1.5],
    "weight_decay": [-0.1, np.nan],
    "average_decay": [-0.1, 1.1],
    "weighting": ["p2", np.ones(99), -np.ones(100), [np.nan] * 100],
    "sampling": ["random", None],
    "seed": [-1, 2**64, 0.0],
    "out": [3, b"run"],
    "checkpoint_every": [0, 0.5],
    "after_checkpoint": [5, "draw"],
    "data_name": [3],
    "backend": ["torch", 1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_arguments_are_named_before_training(monkeypatch, tmp_path, name, value):
    never(monkeypatch)
    arguments = dict(model=small(), schedule=SCHEDULE, x0=X0, **SHORT, out=tmp_path / "run")
    with pytest.raises(ValueError, match=f"^{name}: expected ") as caught:
        train(**arguments | {name: value})
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []
