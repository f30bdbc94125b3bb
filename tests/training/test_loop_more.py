"""A finished run that is given more steps."""

from __future__ import annotations

import numpy as np
import pytest
from checks.runs import SCHEDULE, X0, assert_same, assert_same_files, interrupt, short, small

from numpy_diffusion.models.tasks import State
from numpy_diffusion.training import checkpoints
from numpy_diffusion.training import loop as training
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.optimizers import learning_rates
from numpy_diffusion.training.run import load_run

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = dict(
    batch=16,
    learning_rate=0.002,
    weight_decay=0.0,
    average_decay=0.999,
    sampling="uniform",
    seed=0,
    backend=None,
    precision=None,
    mirror=False,
    label_dropout=None,
    crop=None,
)


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
