"""Training: it learns, it survives whatever stops it, and goes on as if nothing had."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from checks.bars import at_once

from numpy_diffusion.data import datasets
from numpy_diffusion.models.tasks import State
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling.samplers import sample
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import loop as training
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.loop import train
from numpy_diffusion.training.optimizers import learning_rates
from numpy_diffusion.training.run import load_run

SCHEDULE = Schedule.linear(T=100)
X0 = datasets.spiral(64, seed=0) * [3.0, 0.5] + [7.0, -1.0]
SHORT = dict(steps=60, batch=16, learning_rate=0.002, checkpoint_every=20, progress=False)


@pytest.fixture(autouse=True)
def _one_thread():
    """The networks are so small that threads would only wait for each other."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


def small(seed: int = 0) -> MLP:
    return MLP(dim=2, width=8, depth=1, embedding=4, seed=seed)


def short(model: MLP | None = None, **settings) -> training.Run:
    return train(model or small(), SCHEDULE, X0, **SHORT | settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> training.Run:
    """A run that nothing interrupts."""
    return short(out=tmp_path_factory.mktemp("whole") / "run")


def assert_same(run: training.Run, expected: training.Run) -> None:
    np.testing.assert_array_equal(run.losses, expected.losses)
    for name in ("buffer", "shift", "scale"):
        np.testing.assert_array_equal(getattr(run.model, name), getattr(expected.model, name))


def assert_same_files(folder: Path, expected: Path) -> None:
    assert sorted(os.listdir(folder)) == sorted(os.listdir(expected)) == sorted(checkpoints.FILES)
    for name in checkpoints.FILES:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def interrupt(monkeypatch, *, after: int, error: BaseException) -> None:
    """Let training raise in the middle of a chunk, with the state half done, once `after` steps are past."""
    real = stepping.prepare

    def prepare(*arguments, **settings):
        advance = real(*arguments, **settings)

        def interrupted(state, count):
            if state.step + count > after:
                advance(state, after - state.step)
                state.parameters[::2] = 7.0
                state.m[:] = np.nan
                raise error
            return advance(state, count)

        return interrupted

    monkeypatch.setattr(stepping, "prepare", prepare)


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


def test_network_works_on_standardised_data():
    run = short(steps=1)
    np.testing.assert_allclose(run.model.shift, X0.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(run.model.scale, X0.std(axis=0), rtol=1e-6)
    assert run.model.shift.dtype == run.model.scale.dtype == np.float32
    twin = train(small(), SCHEDULE, 4.0 * X0, **SHORT | dict(steps=1))  # to the bit, for a power of two
    np.testing.assert_array_equal(twin.model.buffer, run.model.buffer)
    np.testing.assert_array_equal(twin.model.scale, 4.0 * run.model.scale)


@pytest.mark.parametrize("value", [0.1, 0.0, -1e30])
def test_constant_coordinate_has_scale_one(value):
    run = train(small(), SCHEDULE, np.column_stack([X0[:61, 0], np.full(61, value)]), **SHORT)
    assert run.model.scale[1] == 1.0
    assert run.model.shift[1] == np.float32(value)
    assert np.isfinite(run.losses).all()


def test_one_point_and_integers_will_do():
    run = train(small(), SCHEDULE, [[1, 2]], **SHORT)
    assert run.model.scale.tolist() == [1.0, 1.0]
    assert run.step == 60


def test_model_holds_the_average_of_the_weights(whole):
    arrays = checkpoints.read(whole.path).training
    np.testing.assert_array_equal(whole.model.buffer, arrays["average"])
    assert not (arrays["parameters"] == arrays["average"]).any()
    constant = short(average_decay=0.0)
    assert not np.array_equal(constant.model.buffer, whole.model.buffer)


@pytest.mark.parametrize(("steps", "warmup"), [(60, 6), (9, 0), (10_000, 500)])
def test_warmup_is_a_tenth_of_the_steps_but_at_most_500(tmp_path, monkeypatch, steps, warmup):
    interrupt(monkeypatch, after=0, error=KeyboardInterrupt())
    short(steps=steps, out=tmp_path / "run")
    assert checkpoints.read(tmp_path / "run").config["training"]["warmup"] == warmup


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 10.0])
def test_length_of_the_chunks_changes_nothing(monkeypatch, whole, seconds):
    monkeypatch.setattr(stepping, "CHUNK_SECONDS", seconds)
    assert_same(short(checkpoint_every=7), whole)


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


# More steps for a finished run --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def longer(tmp_path_factory) -> training.Run:
    """A run of 60 steps, given 40 more when it was done, and 20 more after that."""
    out = tmp_path_factory.mktemp("longer") / "run"
    short(out=out)
    short(out=out, resume=True, steps=100)
    return short(out=out, resume=True, steps=120)


def test_more_steps_go_on_with_the_rates_of_a_run_of_so_many(longer, whole):
    """Weights, Adam's averages and draws go on; the rates are those of the half cosine to 100, then to 120."""
    np.testing.assert_array_equal(longer.losses[:60], whole.losses)
    table = np.loadtxt(longer.path / "loss.csv", delimiter=",", skiprows=1)
    courses = [learning_rates(0.002, steps, warmup=6) for steps in (60, 100, 120)]
    expected = np.concatenate([courses[0], courses[1][60:], courses[2][100:]])
    np.testing.assert_allclose(table[:, 2], expected, rtol=1e-8)
    np.testing.assert_allclose(table[:, 1], longer.losses, rtol=1e-8)
    assert (longer.step, longer.steps, longer.interrupted) == (120, 120, False)
    # The same by hand: the state of the finished run, taken on by the steps of a task with the rates of 100 steps.
    at_60 = checkpoints.read(whole.path)
    state = State(**{name: at_60.training[name] for name in checkpoints.STATE}, step=60)
    ready = stepping.prepared(small(), SCHEDULE, X0, None, weighting="simple", **SETTINGS | dict(steps=100, warmup=6))
    losses = np.empty(100, np.float32)
    *_, last = stepping.states(ready.advance, state, losses, at_most=100)
    np.testing.assert_array_equal(losses[60:], longer.losses[60:100])
    assert last.step == 100


SETTINGS = dict(
    batch=16,
    learning_rate=0.002,
    weight_decay=0.0,
    average_decay=0.999,
    sampling="uniform",
    seed=0,
    backend=None,
    mirror=False,
    label_dropout=None,
)


@pytest.mark.parametrize("after", [60, 61, 83, 100, 119])
def test_more_steps_interrupted_and_resumed_are_never_interrupted(tmp_path, monkeypatch, longer, after):
    out = tmp_path / "run"
    short(out=out)
    for steps in (100, 120):
        with monkeypatch.context() as patch:
            interrupt(patch, after=after, error=KeyboardInterrupt())
            short(out=out, resume=True, steps=steps)
        short(out=out, resume=True, steps=steps)
    assert_same(load_run(out), longer)
    assert_same_files(out, longer.path)


def test_a_run_is_given_more_steps_when_it_is_finished_and_not_before(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt(patch, after=33, error=KeyboardInterrupt())
        short(out=out)
    with pytest.raises(ValueError, match=r"^steps: expected 60 as in the checkpoint, got 100"):
        short(out=out, resume=True, steps=100)
    short(out=out, resume=True)
    with pytest.raises(ValueError, match=r"^batch: expected 16 as in the checkpoint, got 17"):
        short(out=out, resume=True, steps=100, batch=17)
    assert checkpoints.read(out).config["training"]["steps"] == 60
    assert short(out=out, resume=True, steps=100).step == 100


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_crash_while_more_steps_are_asked_for_loses_nothing(tmp_path, monkeypatch, longer, writes):
    """config.json and the files beside it cannot change at once: whatever is written, the run loads and goes on."""
    out, real = tmp_path / "run", checkpoints._files.write
    short(out=out)
    left = [writes]

    def write(path, content):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints._files, "write", write)
        with pytest.raises(KeyboardInterrupt):
            short(out=out, resume=True, steps=100)
    assert load_run(out).step == 60
    assert load_run(out).steps == (100 if writes else 60)
    for steps in (100, 120):
        short(out=out, resume=True, steps=steps)
    assert_same_files(out, longer.path)


OTHER = {
    "steps": (dict(steps=59), "steps: expected 60 as in the checkpoint, got 59"),
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


def test_resuming_needs_a_folder_with_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"^resume: expected `out`"):
        short(resume=True)
    with pytest.raises(FileNotFoundError, match="expected a folder with a checkpoint, found no such folder"):
        short(out=tmp_path / "run", resume=True)
    with pytest.raises(FileNotFoundError, match=r"expected a folder with a checkpoint, found no config\.json in it"):
        short(out=tmp_path, resume=True)
    assert os.listdir(tmp_path) == []


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
    real = stepping.prepare

    def prepare(*arguments, **settings):
        advance = real(*arguments, **settings)

        def diverging(state, count):
            losses = advance(state, count)
            if state.step >= 47:
                losses[46 - state.step] = np.nan
            return losses

        return diverging

    monkeypatch.setattr(stepping, "prepare", prepare)
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
    "model": [lambda x, t: x, MLP(dim=2, dtype=np.float64), None],
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
