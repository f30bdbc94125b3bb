"""Work spread over threads by one loop for all kernels, which are called by their address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numpy_diffusion
from numpy_diffusion.kernels import threads
from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.threads import address_of, address_on_threads, call, keep, kept, on_threads, run, share

SOURCES = os.pathsep.join([str(Path(numpy_diffusion.__file__).parents[1]), *sys.path])


class Scaling(NamedTuple):
    """y = factor x, and who did it."""

    x: np.ndarray
    y: np.ndarray
    done_by: np.ndarray
    factor: float
    offset: tuple[int, float]


def scaling(n: int, factor: float = 2.0) -> Scaling:
    return Scaling(np.arange(float(n)), np.full(n, np.nan), np.full(n, -1), factor, (1, 0.5))


@jit
def scaled(thread, count, place):
    x, y, done_by, factor, (one, half) = kept(place)
    low, high = share(x.shape[0], thread, count)
    for i in range(low, high):
        y[i], done_by[i] = factor * x[i] + one + half, thread


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
@pytest.mark.parametrize("count", [None, 1, 2, 5])
def test_each_thread_does_its_share_and_nobody_elses(n: int, count: int | None) -> None:
    work = scaling(n)
    run(scaled, work, threads=count)
    np.testing.assert_array_equal(work.y, 2.0 * work.x + 1.5)
    count = numba.get_num_threads() if count is None else count
    bounds = [share(n, thread, count) for thread in range(count)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n
    for thread, (low, high) in enumerate(bounds):
        assert (work.done_by[low:high] == thread).all()


def test_an_array_that_may_not_be_written_runs_the_same_code() -> None:
    work = scaling(10)
    run(scaled, work)
    compiled = len(scaled.overloads)
    work.x.flags.writeable = False
    run(scaled, work._replace(y=np.zeros(10)))
    assert len(scaled.overloads) == compiled


@jit
def scaled_again(address, count, work, times):
    """As often as asked for, each time by one more."""
    for k in range(times):
        on_threads(address, count, keep(Scaling(work.x, work.y, work.done_by, work.factor + k, work.offset)))


def test_a_kernel_sends_others_out_with_a_new_record_each_time() -> None:
    work = scaling(10)
    scaled_again(address_on_threads(scaled, work), 2, work, 3)
    np.testing.assert_array_equal(work.y, 4.0 * work.x + 1.5)


@jit
def added(x, y, k):
    for i in range(x.shape[0]):
        y[i] += k * x[i]


@jit
def added_by_address(address, x, y, times):
    for k in range(times):
        call(address, (x, y, k))


def test_a_kernel_calls_another_by_its_address() -> None:
    x, y = np.arange(5.0), np.zeros(5)
    added_by_address(address_of(added, x, y, 0), x, y, 4)
    np.testing.assert_array_equal(y, 6.0 * x)


@jit
def failing(thread, count, place):
    (number,) = kept(place)
    if thread == number:
        raise ValueError("as asked")


@jit
def fails(address, number):
    call(address, (number, 1, keep((number,))))


def test_an_exception_is_passed_on() -> None:
    with pytest.raises(ValueError, match="as asked"):
        fails(address_on_threads(failing, (0,)), 0)


def test_nothing_is_leaked_and_nothing_given_back_twice() -> None:
    """An array that is held inside after the call has one holder more, and one given back twice is freed under us."""
    work = scaling(100)
    address = address_on_threads(scaled, work)
    holders = [sys.getrefcount(array) for array in work[:3]]
    for _ in range(100):
        run(scaled, work)
        scaled_again(address, 2, work, 5)
    assert [sys.getrefcount(array) for array in work[:3]] == holders
    np.testing.assert_array_equal(work.y, 6.0 * work.x + 1.5)


def test_uncompiled_it_is_a_plain_loop() -> None:
    code = "import test_threads as t; w = t.scaling(9); t.run(t.scaled, w); assert (w.y == 2 * w.x + 1.5).all()"
    folder = os.path.dirname(__file__)
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=600)


def test_the_loop_over_threads_is_compiled_once_for_all() -> None:
    """Whoever calls it; these are compiled here, as one that is read from the cache brings no loop along."""
    run(scaled, scaling(3))
    address = address_on_threads(scaled, scaling(3))
    numba.njit(threads._run.py_func)(address, 2, threads._unnamed(scaling(3)))
    numba.njit(scaled_again.py_func)(address, 2, scaling(3), 1)
    assert len(threads.on_threads.overloads) == 1


# A child that the parent's threads would have to answer in vain waits for ever: it is given a minute.
FORKED = """
import os, signal
import numpy as np
import numpy_diffusion as nd
from numpy_diffusion.kernels import threads

model, schedule = nd.MLP(2, 8, 1), nd.Schedule.linear(T=5)


def all_of_it():
    mlp = model.copy()
    losses = nd.train(mlp, schedule, np.eye(2), steps=3, batch=70, progress=False).losses
    return losses.tobytes() + mlp.buffer.tobytes() + nd.sample(mlp, schedule, 70).tobytes()


def child(*also):
    if (pid := os.fork()) == 0:
        signal.alarm(60)
        same = all_of_it() == wanted
        for again in also:
            same = same and child() == 0
        os._exit(0 if same else 1)
    return os.waitpid(pid, 0)[1]


wanted = all_of_it()
assert child("and its own child") == 0
assert all_of_it() == wanted
"""

# Each of two Python threads sends work out hundreds of times.
TWO_THREADS = """
import threading
import numpy as np
import numpy_diffusion as nd

schedule, found = nd.Schedule.linear(T=5), {}


def all_of_it(name):
    model = nd.MLP(2, 8, 1)
    nd.train(model, schedule, np.eye(2), steps=300, batch=70, progress=False)
    for seed in range(100):
        found[name] = nd.sample(model, schedule, 70, seed)


workers = [threading.Thread(target=all_of_it, args=[name]) for name in "ab"]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
assert (found["a"] == found["b"]).all()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_after_a_fork_there_is_the_same_to_the_bit(layer: str) -> None:
    assert_done(FORKED, layer)


def test_two_threads_of_python_share_a_layer_that_serves_one() -> None:
    assert_done(TWO_THREADS, "workqueue")


def assert_done(code: str, layer: str) -> None:
    """In a process with this layer of two threads; a machine that lacks it is not asked."""
    environment = os.environ | {"NUMBA_NUM_THREADS": "2", "NUMBA_THREADING_LAYER": layer, "PYTHONPATH": SOURCES}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600)
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"there is no layer {layer}")
    assert done.returncode == 0, done.stderr[-2000:]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 50), st.integers(1, 9))
def test_shares_cover_all_in_order(n: int, parts: int) -> None:
    shares = [share(n, part, parts) for part in range(parts)]
    assert [i for low, high in shares for i in range(low, high)] == list(range(n))
    assert max(high - low for low, high in shares) - min(high - low for low, high in shares) <= 1
