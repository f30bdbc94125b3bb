"""No moment at which a training may be ended, and no error in it, leaves anything but the state of a whole step."""

from __future__ import annotations

import copy
import itertools
import os
import signal
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from checks.runs import assert_same, short
from checks.tasks import advanced

import numpy_diffusion as nd
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.shares import ALONE
from numpy_diffusion.models.tasks import Adam, State, Task
from numpy_diffusion.networks.mlp import compiled
from numpy_diffusion.networks.mlp.mlp import MLP
from numpy_diffusion.training import losses as training_losses
from numpy_diffusion.training import step as training_step
from numpy_diffusion.training import steps as stepping
from numpy_diffusion.training.interrupts import stopping
from numpy_diffusion.training.optimizers import average_decays, learning_rates
from numpy_diffusion.training.settings import CommonSettings
from numpy_diffusion.training.step import Advance

pytestmark = pytest.mark.usefixtures("one_thread", "_ctrl_c_raises")

SCHEDULE, STEPS = nd.Schedule.linear(T=10), 3
ARRAYS = ("parameters", "m", "v", "average", "history")


@pytest.fixture
def _ctrl_c_raises() -> Iterator[None]:
    """It is ignored in what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class SlopesConfig:
    dim: int


class Slopes(Network):
    """A slope for each coordinate, without kernels: `forward` and `backward` are a user's."""

    batch, learning_rate = 4, 1e-2

    def __init__(self, dim: int, *, seed: int = 0, dtype: Any = np.float32) -> None:
        super().__init__(SlopesConfig(dim), (dim,), {"slope": (dim,)}, seed=seed, dtype=dtype)

    def initialise(self, seed: int) -> None:
        pass

    def forward(self, params: Any, x: np.ndarray, t: np.ndarray, condition: Any, dropout: Any = None) -> Any:
        return params["slope"] * x, x

    def backward(self, params: Any, doutputs: np.ndarray, caches: Any) -> Any:
        return params["slope"] * doutputs, {"slope": (doutputs * caches).sum(axis=0)}


def prepared(model: Network, backend: Any, sampling: Any) -> Advance:
    rates, decays = learning_rates(1e-2, STEPS, 1), average_decays(0.9, 1, STEPS)
    data = np.random.default_rng(0).normal(size=(9, *model.shape)).astype(np.float32)
    task = Task(SCHEDULE, data, nd.Condition(), 8, Adam(), rates, decays, seed=1)
    return training_step.prepare(model, task, training_losses.weights(SCHEDULE), sampling=sampling, backend=backend)


WAYS: dict[str, tuple[Callable[[], Network], Any, Any]] = {
    "definition": (lambda: Slopes(3), "numpy", "uniform"),
    "kernel of Adam": (lambda: Slopes(3), "numba", "uniform"),
    "fused": (lambda: MLP(2, 8, 1), "numba", "uniform"),
    "fused, by history": (lambda: MLP(2, 8, 1), "numba", "importance"),
    "large": (lambda: MLP(2, 8, 1), "numba", "uniform"),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Advance, State]:
    if request.param == "large":
        monkeypatch.setattr(compiled, "LARGE", 1)
    make, backend, sampling = WAYS[request.param]
    model = make()
    return prepared(model, backend, sampling), training_step.start(model, SCHEDULE.T)


def course(advance: Advance, state: State) -> tuple[list[State], np.ndarray]:
    """The states before the first step and after each, and the losses."""
    states, losses = [copy.deepcopy(state)], np.empty(STEPS, np.float32)
    for k in range(STEPS):
        advance(state, losses[k : k + 1])
        states.append(copy.deepcopy(state))
    return states, losses


def assert_state(found: State, expected: State) -> None:
    assert found.step == expected.step
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


# Functions that a step goes through, but for those that only compute.
FILES = ("training/step.py", "training/steps.py", "training/descent.py", "training/interrupts.py", "models/tasks.py")
NAMES = {"states", "advance", "uniform", "importance", "in_one_piece", "make", "step", "move", "one_step", "take"}


class CtrlC:
    """A tracer that sends a SIGINT before the n-th instruction of these functions that follows the first step."""

    def __init__(self, state: State, n: int) -> None:
        self._state, self._left, self.sent = state, n, False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_name not in NAMES or not frame.f_code.co_filename.endswith(FILES):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event == "opcode" and 1 <= self._state.step < STEPS and not self.sent:
            self._left -= 1
            if self._left < 0:
                self.sent = True
                signal.raise_signal(signal.SIGINT)
        return self


def test_ctrl_c_before_any_instruction_leaves_a_whole_step(way: tuple[Advance, State]) -> None:
    """And all that it needs to go on to the bits of a run that is not interrupted."""
    advance, first = way
    expected, losses = course(advance, copy.deepcopy(first))
    seen, before = set(), sys.gettrace()
    for n in itertools.count(0):
        state, found = copy.deepcopy(first), np.full(STEPS, np.nan, np.float32)
        tracer = CtrlC(state, n)
        with stopping(ALONE):
            try:
                sys.settrace(tracer)
                for _ in stepping.states(advance, state, found, at_most=STEPS):
                    pass
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
        if not tracer.sent:
            break
        seen.add(state.step)
        assert_state(state, expected[state.step])
        np.testing.assert_array_equal(found[: state.step], losses[: state.step])
        if n % 50 == 0:
            advance(state, found[state.step :])
            assert_state(state, expected[STEPS])
            np.testing.assert_array_equal(found, losses)
    assert {1, STEPS} <= seen
    assert n > 100


def test_ctrl_c_at_random_moments_of_a_run(tmp_path: Path, whole: nd.Run) -> None:
    """Where it comes while nothing is trained, nothing is lost either."""
    out, rng, armed = tmp_path / "run", np.random.default_rng(0), threading.Event()

    def send(delay: float) -> None:
        time.sleep(delay)
        if armed.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    def handler(*_: Any) -> None:
        if armed.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    for delay in rng.uniform(0.0, 0.08, 12):
        sender = threading.Thread(target=send, args=(delay,))
        sender.start()
        armed.set()
        try:
            short(out=out, resume=(out / "config.json").exists(), checkpoint_every=1)
        except KeyboardInterrupt:
            pass
        finally:
            armed.clear()
        sender.join()
    assert_same(short(out=out, resume=out.exists(), checkpoint_every=1), whole)
    assert (out / "model.safetensors").read_bytes() == (whole.path / "model.safetensors").read_bytes()


class Lightning(Exception):
    pass


@pytest.mark.parametrize("backend", ["numba", "numpy"])
@pytest.mark.parametrize("part", ["forward", "backward"])
def test_an_error_in_the_definition_leaves_the_last_whole_step(backend: Any, part: str) -> None:
    model = Slopes(3)
    advance, state = prepared(model, backend, "importance"), training_step.start(model, SCHEDULE.T)
    expected, real, calls = course(advance, copy.deepcopy(state))[0], getattr(model, part), itertools.count(1)

    def failing(*arguments: Any) -> Any:
        found = real(*arguments)
        if next(calls) == 3:
            raise Lightning
        return found

    setattr(model, part, failing)
    found = np.empty(STEPS, np.float32)
    with pytest.raises(Lightning):
        advance(state, found)
    assert_state(state, expected[2])
    setattr(model, part, real)
    advance(state, found[2:])
    assert_state(state, expected[STEPS])


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_one_nan_among_millions_is_found_at_its_step(backend: Any) -> None:
    P = 3_000_001

    def loss(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        gradient = np.ones(P, np.float32)
        if step == 2:
            gradient[1_234_567] = np.nan
        return np.ones(3, np.float32), gradient

    advance, state = descending(loss, backend), training_step.start(Slopes(P))
    advanced(advance, state, 1)
    before = copy.deepcopy(state)
    with pytest.raises(FloatingPointError, match=r"^weights: expected finite numbers, got others by step 2: "):
        advanced(advance, state, 2)
    assert_state(state, before)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_what_diverges_keeps_the_average_of_the_step_before(backend: Any) -> None:
    """Whatever the length of the chunks."""

    class Diverging(Slopes):
        slopes: Iterator[float]

        def backward(self, params: Any, doutputs: np.ndarray, caches: Any) -> Any:
            slope = next(self.slopes, None)
            if slope is None:
                raise Lightning
            return params["slope"] * doutputs, {"slope": np.float32([1.0, slope, 1.0])}

    def run(*slopes: float) -> Network:
        model, x0 = Diverging(3), np.ones((4, 3))
        model.slopes = iter(slopes)
        with pytest.raises((FloatingPointError, Lightning), match=r"^(weights: .* by step 4: .*|)$"):
            nd.train(model, SCHEDULE, x0, steps=6, backend=backend, progress=False)
        return model

    with np.errstate(invalid="ignore"):
        diverged = run(1.0, 2.0, 3.0, np.inf)
    np.testing.assert_array_equal(diverged.buffer, run(1.0, 2.0, 3.0).buffer)


@pytest.mark.parametrize("number", [1, 3])
def test_a_loss_that_is_not_finite_moves_nothing(number: int) -> None:
    P = 10

    def loss(weights: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        return np.full(3, np.inf if step == number else 1.0, np.float32), np.ones(P, np.float32)

    advance, state = descending(loss), training_step.start(Slopes(P))
    expected = course(descending(lambda *_: (np.ones(3, np.float32), np.ones(P, np.float32))), copy.deepcopy(state))
    with pytest.raises(FloatingPointError, match=rf"^loss: expected finite numbers, got inf at step {number}: "):
        advanced(advance, state, STEPS)
    assert_state(state, expected[0][number - 1])


def descending(loss: training_step.Loss, backend: Any = "numba") -> Advance:
    return training_step.descending(loss, CommonSettings(STEPS, 4, 1e-2, 0, 0.0, 0.9, 0, backend))


def test_a_step_needs_no_room_for_another_state() -> None:
    P = 1_000_000
    gradient, of_samples = np.ones(P, np.float32), np.ones(3, np.float32)
    advance = descending(lambda *_: (of_samples, gradient))
    state, losses = training_step.start(Slopes(P)), np.empty(STEPS, np.float32)
    advance(state, losses[:1])  # what is compiled, and kept
    tracemalloc.start()
    try:
        for _ in stepping.states(advance, state, losses, at_most=2):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert state.step == STEPS
    assert peak < 0.01 * 4 * state.parameters.nbytes
