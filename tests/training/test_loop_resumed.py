"""Training that something stops: it survives, and goes on as if nothing had."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from checks.runs import SCHEDULE, SHORT, X0, assert_same, assert_same_files, interrupt, short, small

from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")


# Ctrl-C, crashes, and the way back


@pytest.mark.parametrize("after", [0, 1, 19, 20, 33, 59])
def test_interrupted_and_resumed_is_never_interrupted(tmp_path, monkeypatch, whole, after):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt(patch, after=after, error=KeyboardInterrupt())
        run = short(out=out)
    assert run.interrupted
    assert run.step <= after
    np.testing.assert_array_equal(run.losses, whole.losses[: run.step])
    assert_same(load_run(out), run)
    assert_same(short(small(seed=9), out=out, resume=True), whole)
    assert_same_files(out, whole.path)


def test_interrupted_many_times(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(stepping, "CHUNK_SECONDS", 0.0)  # steps one by one
    for after in (2, 15, 16, 40, 58):
        with monkeypatch.context() as patch:
            interrupt(patch, after=after, error=KeyboardInterrupt())
            short(out=tmp_path / "run", resume=after > 2)
    assert_same(short(out=tmp_path / "run", resume=True), whole)
    assert_same_files(tmp_path / "run", whole.path)


def test_a_step_that_fails_while_ctrl_c_waits_keeps_what_was_trained_and_both_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stepping, "CHUNK_SECONDS", 0.0)  # steps one by one
    asked, model, out = KeyboardInterrupt(), small(), tmp_path / "run"
    asked.__cause__ = FloatingPointError("loss: expected finite numbers")
    interrupt(monkeypatch, after=35, error=asked)
    with pytest.raises(KeyboardInterrupt) as raised:
        short(model, out=out)
    assert raised.value is asked
    assert load_run(out).step == 20
    interrupt(monkeypatch, after=35, error=KeyboardInterrupt())
    np.testing.assert_array_equal(model.buffer, short().model.buffer)


def test_interrupted_without_a_folder_keeps_the_average(tmp_path, monkeypatch):
    monkeypatch.setattr(stepping, "CHUNK_SECONDS", 0.0)  # steps one by one
    interrupt(monkeypatch, after=35, error=KeyboardInterrupt())
    model = small()
    run, expected = short(model), short(out=tmp_path / "run")
    assert run.model is model
    assert run.step == 35
    assert run.interrupted
    assert_same(run, expected)
    np.testing.assert_array_equal(model.buffer, checkpoints.read(tmp_path / "run").training["average"])


def test_ctrl_c_while_a_checkpoint_is_written(tmp_path, monkeypatch, whole):
    real, calls = os.replace, iter(range(10**6))

    def replace(*paths):
        if next(calls) == 6:  # five make the folder, the sixth is the first of step 20
            raise KeyboardInterrupt
        real(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        run = short(out=tmp_path / "run")
    assert run.step == 20
    assert_same(load_run(tmp_path / "run"), run)
    assert_same(short(out=tmp_path / "run", resume=True), whole)


def test_any_other_error_is_raised_and_the_model_keeps_what_was_trained(tmp_path, monkeypatch):
    model = small()
    interrupt(monkeypatch, after=45, error=RuntimeError("lightning"))
    with pytest.raises(RuntimeError, match="lightning"):
        short(model, out=tmp_path / "run")
    assert load_run(tmp_path / "run").step == 40
    assert np.isfinite(model.buffer).all()
    assert not np.array_equal(model.buffer, small().buffer)


LONG = SHORT | dict(steps=20_000, checkpoint_every=5000)


def killed(folder: Path) -> None:
    """What runs in the process that will be killed: a checkpoint every step, so that many a kill hits one."""
    numba.set_num_threads(1)
    train(small(), SCHEDULE, X0, **LONG | dict(checkpoint_every=1), out=folder, resume=folder.exists())


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_killed_twenty_times_at_random_moments_always_loads_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy_diffusion.training.loop"])  # imported once, so that a process starts fast
    out, steps = tmp_path / "run", [0]
    for number, delay in enumerate(np.random.default_rng(0).uniform(0.0, 0.2, 20)):
        process, before = context.Process(target=killed, args=(out,)), size(out / "loss.csv")
        process.start()
        while number >= 5 and process.is_alive() and size(out / "loss.csv") == before:
            time.sleep(0.001)  # the first five die at any moment from their start, the others once they train
        process.join(delay)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        if out.exists():
            assert np.isfinite(checkpoints.load(out).buffer).all()
            steps.append(load_run(out).step)
    assert steps == sorted(steps)
    assert steps[-1] >= 7  # a process may have to write again the table that the one before it did not get to
    resumed = train(small(), SCHEDULE, X0, **LONG, out=out, resume=True)
    expected = train(small(), SCHEDULE, X0, **LONG, out=tmp_path / "whole")
    assert_same(resumed, expected)
    assert_same_files(out, tmp_path / "whole")
    assert sorted(os.listdir(tmp_path)) == ["run", "whole"]


def test_resuming_a_whole_run_changes_nothing(whole):
    times = {path: path.stat().st_mtime_ns for path in whole.path.iterdir()}
    model = small(seed=9)
    run = short(model, out=whole.path, resume=True)
    assert_same(run, whole)
    assert run.model is model
    assert times == {path: path.stat().st_mtime_ns for path in whole.path.iterdir()}


def test_resuming_with_weights_of_ones_own_for_lambda(tmp_path, monkeypatch):
    settings = dict(weighting=np.linspace(0.1, 1.3, 100))
    expected = short(**settings)
    with monkeypatch.context() as patch:
        interrupt(patch, after=30, error=KeyboardInterrupt())
        short(out=tmp_path / "run", **settings)
    with pytest.raises(ValueError, match=r"^weighting: expected \[0.1, .*\] as in the checkpoint, got simple$"):
        short(out=tmp_path / "run", resume=True)
    assert_same(short(out=tmp_path / "run", resume=True, **settings), expected)


def test_resuming_with_the_history_of_the_losses_and_a_learned_variance(tmp_path, monkeypatch):
    """T = 10: after some ten steps of 16 all that follow are drawn by the history."""

    def run(**settings):
        model = MLP(dim=2, width=8, depth=1, embedding=4, learn_variance=True)
        return train(model, Schedule.linear(T=10), X0, **SHORT | dict(sampling="importance") | settings)

    expected = run()
    assert not np.array_equal(expected.losses, run(sampling="uniform").losses)
    with monkeypatch.context() as patch:
        interrupt(patch, after=33, error=KeyboardInterrupt())
        run(out=tmp_path / "run")
    assert_same(run(out=tmp_path / "run", resume=True), expected)


OTHER = {
    "steps": (dict(steps=59), "steps: expected 60 as in the checkpoint, got 59"),
    "steps below the warm-up": (dict(steps=1), "steps: expected 60 as in the checkpoint, got 1"),
    "batch": (dict(batch=17), "batch: expected 16 as in the checkpoint, got 17"),
    "learning_rate": (dict(learning_rate=0.1), "learning_rate: expected 0.002 as in the checkpoint, got 0.1"),
    "warmup": (dict(warmup=0), "warmup: expected 6 as in the checkpoint, got 0"),
    "weight_decay": (dict(weight_decay=0.1), "weight_decay: expected 0.0 as in the checkpoint, got 0.1"),
    "average_decay": (dict(average_decay=0.5), "average_decay: expected 0.999 as in the checkpoint, got 0.5"),
    "weighting": (dict(weighting="vlb"), "weighting: expected simple as in the checkpoint, got vlb"),
    "sampling": (dict(sampling="importance"), "sampling: expected uniform as in the checkpoint, got importance"),
    "seed": (dict(seed=1), "seed: expected 0 as in the checkpoint, got 1"),
    "backend": (dict(backend="numpy"), "backend: expected numba as in the checkpoint, got numpy"),
    "model": (dict(model=MLP(dim=2, width=9)), r"model: expected MLP\(.*width=8,.* got MLP\(.*width=9,"),
    "schedule": (
        dict(schedule=Schedule.cosine(T=100)),
        r"schedule: expected Schedule.linear\(T=100\).*, got Schedule.cosine\(T=100\)",
    ),
    "beta": (
        dict(schedule=Schedule.linear(T=100, beta_end=0.0200001)),
        r"schedule: expected Schedule.linear\(T=100\).*, got Schedule.linear\(T=100\)",
    ),
    "x0": (dict(x0=X0[:63]), r"x0: expected shape \[64, 2\] .* got shape \[63, 2\]"),
    "order of x0": (dict(x0=X0[::-1]), r"x0: expected shape \[64, 2\] .* got shape \[64, 2\]"),
    "units of x0": (dict(x0=4.0 * X0), r"x0: expected shape \[64, 2\] .* got shape \[64, 2\]"),
}


@pytest.mark.parametrize("name", [name for name in OTHER if name not in ("model", "units of x0", "sampling")])
def test_every_argument_counts(whole, name):
    run = train(**dict(model=small(), schedule=SCHEDULE, x0=X0, **SHORT) | OTHER[name][0])
    assert not np.array_equal(run.model.buffer, whole.model.buffer)


@pytest.mark.parametrize("name", OTHER)
def test_resuming_with_another_argument_names_it_and_both_values(whole, name):
    change, sentence = OTHER[name]
    arguments = dict(model=small(), schedule=SCHEDULE, x0=X0, **SHORT, out=whole.path, resume=True)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        train(**arguments | change)
    assert_same(load_run(whole.path), whole)
