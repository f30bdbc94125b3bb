"""Samples by Dask: whatever chunks, workers and threads there are, the bits of one process."""

from __future__ import annotations

import os
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks.dask_arrays import SCHEDULE, digest, images, network
from hypothesis import given, settings
from hypothesis import strategies as st

import numpy_diffusion as nd

arrays = pytest.importorskip("dask.array", reason="Dask is not installed")
cloudpickle = pytest.importorskip("cloudpickle", reason="Dask is not installed")
distributed = pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_points_are_those_of_one_process_on_any_workers(client: Any, workers: int) -> None:
    client.wait_for_workers(3)
    model, some = network(), list(client.nthreads())[:workers]
    x = nd.parallel.sample(model, SCHEDULE, 500, 7, client=client, chunk=90 // workers)
    found = client.compute(x, workers=some, allow_other_workers=False).result()
    assert digest(found) == digest(nd.sample(model, SCHEDULE, 500, 7))


def test_images_of_classes_are_those_of_one_process(client: Any) -> None:
    """The labels go with the samples, by chunks that are none of the kernel's, and two at once in a worker."""
    model = nd.clipped(nd.guided(images(), np.arange(13) % 4, 1.5), SCHEDULE)
    x = nd.parallel.sample(model, SCHEDULE, 13, 5, client=client, chunk=3, method="ddim", steps=4)
    assert digest(x) == digest(nd.sample(model, SCHEDULE, 13, 5, method="ddim", steps=4))


@settings(max_examples=8, deadline=None)
@given(
    chunk=st.integers(1, 70),
    first=st.integers(0, 2**31),
    method=st.sampled_from(["ancestral", "ddim", "heun", "dpm++2m"]),
    backend=st.sampled_from(["numba", "numpy"]),
    end=st.integers(0, 1),
)
def test_any_chunk_of_any_call_is_that_of_one_process(chunk: int, **options: Any) -> None:
    def model(x: np.ndarray, t: int) -> np.ndarray:
        return np.tanh(x) * np.float32(1.0 / (1.0 + t))

    options |= {"shape": (3,), "steps": 5}
    x = nd.parallel.sample(model, SCHEDULE, 60, 2, chunk=chunk, **options)
    assert x.chunks == arrays.zeros((60, 3), chunks=(chunk, 3)).chunks
    assert digest(x.compute(scheduler="threads", num_workers=2)) == digest(
        nd.sample(model, SCHEDULE, 60, 2, **options)
    )


def test_a_chunk_has_32768_numbers_unless_told_otherwise() -> None:
    points, few = (nd.parallel.sample(network(), SCHEDULE, n) for n in (40_000, 5))
    assert points.chunks == ((16_384, 16_384, 7232), (2,))
    assert few.chunks == ((5,), (2,))
    assert nd.parallel.sample(images(), SCHEDULE, 600).chunks[0] == (512, 88)


def test_numbers_that_float32_cannot_tell_apart_stay_float64() -> None:
    model = network()
    model.shift = np.array([1.7e9, 0.0])
    x = nd.parallel.sample(model, SCHEDULE, 9, chunk=4)
    assert x.dtype == np.float64
    assert digest(x) == digest(nd.sample(model, SCHEDULE, 9))


def test_the_form_is_that_of_the_call_and_not_of_the_worker() -> None:
    model = network()
    with nd.backend("numpy"):
        x = nd.parallel.sample(model, SCHEDULE, 9)
        definition = nd.sample(model, SCHEDULE, 9)
    assert digest(x) == digest(definition) != digest(nd.sample(model, SCHEDULE, 9))


def test_the_precision_goes_with_the_call() -> None:
    with nd.precision("bfloat16"):
        x = nd.parallel.sample(network(), SCHEDULE, 9)
    with pytest.raises(ValueError, match="precision: expected 'float32', as a MLP has no other"):
        x.compute(scheduler="sync")
    x = nd.parallel.sample(network(), SCHEDULE, 9, precision="bfloat16")
    with pytest.raises(ValueError, match="precision: expected 'float32'"):
        x.compute(scheduler="sync")


def test_nothing_is_drawn_before_it_is_asked_for_and_then_no_more() -> None:
    asked = []

    def model(x: np.ndarray, t: int) -> np.ndarray:
        asked.append(len(x))
        return x

    x = nd.parallel.sample(model, SCHEDULE, 30, chunk=10, steps=1, shape=(2,))
    assert asked == []
    x[10:20].compute(scheduler="sync")
    assert asked == [10]


@pytest.mark.parametrize("client", [1], indirect=True)
def test_the_model_travels_once(client: Any) -> None:
    """A task names it: what goes to a worker with each is a twentieth of the network."""
    model = nd.MLP(2, 128, 3)
    assert len(pickle.dumps(model)) < 1.1 * model.buffer.nbytes
    x = nd.parallel.sample(model, SCHEDULE, 40, client=client, chunk=4)
    assert x.name == nd.parallel.sample(model.copy(), SCHEDULE, 40, client=client, chunk=4).name
    drawn = client.persist(x)
    distributed.wait(drawn)
    sizes = client.run_on_scheduler(_sizes_of_tasks)
    del drawn
    assert sum(size > model.buffer.nbytes for size in sizes.values()) == 1
    tasks = [size for key, size in sizes.items() if x.name in key]
    assert len(tasks) == 10
    assert max(tasks) < model.buffer.nbytes / 20


def _sizes_of_tasks(dask_scheduler: Any) -> dict[str, int]:
    return {str(key): len(cloudpickle.dumps(task.run_spec)) for key, task in dask_scheduler.tasks.items()}


def test_a_task_has_one_of_its_workers_threads(client: Any) -> None:
    def told(x: np.ndarray, t: int) -> np.ndarray:
        import numba

        return np.full_like(x, numba.get_num_threads() + 10 * numba.config.NUMBA_NUM_THREADS)

    options = {"shape": (1,), "steps": 1}
    x = nd.parallel.sample(told, SCHEDULE, 20, client=client, chunk=2, **options)
    assert digest(x) == digest(nd.sample(lambda x, t: np.full_like(x, 41.0), SCHEDULE, 20, **options))


def test_a_worker_that_is_killed_is_not_missed(client: Any, tmp_path: Path) -> None:
    """In the middle, with the model and samples that it had drawn."""
    client.wait_for_workers(3)

    def slow(x: np.ndarray, t: int) -> np.ndarray:
        time.sleep(0.02)
        return x * np.float32(0.5)

    options = {"shape": (2,), "steps": 3}
    x = client.persist(nd.parallel.sample(slow, SCHEDULE, 120, 9, client=client, chunk=2, **options))
    futures = distributed.futures_of(x)
    while sum(future.done() for future in futures) < 10:
        time.sleep(0.01)
    assert not all(future.done() for future in futures)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    assert digest(x) == digest(nd.sample(lambda x, t: x * np.float32(0.5), SCHEDULE, 120, 9, **options))


@pytest.mark.parametrize("client", [1], indirect=True)
def test_what_does_not_fit_into_memory_goes_to_disk(client: Any, tmp_path: Path) -> None:
    whole = digest(nd.sample(network(), SCHEDULE, 300, 1))
    x = nd.parallel.sample(network(), SCHEDULE, 300, 1, client=client, chunk=77)
    arrays.to_npy_stack(tmp_path / "stack", x)
    assert digest(np.concatenate([np.load(tmp_path / "stack" / f"{k}.npy") for k in range(4)])) == whole
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    x.to_zarr(tmp_path / "x.zarr")
    assert digest(zarr.open(tmp_path / "x.zarr", mode="r")[:]) == whole


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, r"^n: expected an integer in 1\.\.4294967296, got 0$"),
        ({"n": 2, "first": 2**32 - 1}, r"^first: expected an integer in 0\.\.4294967294, got 4294967295$"),
        ({"chunk": 0}, "^chunk: expected an integer of at least 1, got 0$"),
        ({"client": "tcp://host:8786"}, "^client: expected a Client, got str 'tcp://host:8786'$"),
        ({"method": "dimm"}, r"^method: expected one of .*; did you mean 'ddim'\?$"),
        ({"steps": 21}, "^steps: "),
        ({"schedule": nd.Schedule.linear(T=3), "steps": 5}, "^steps: "),
        ({"variance": "learned"}, "^variance: "),
        ({"seed": -1}, "^seed: "),
        ({"shape": (3,)}, "^shape: "),
    ],
)
def test_what_is_wrong_is_said_at_the_call(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nd.parallel.sample(**{"model": network(), "schedule": SCHEDULE, "n": 5} | wrong)


@pytest.mark.parametrize("labels", [np.arange(4), np.arange(6) % 4])
@pytest.mark.parametrize("scale", [0.0, 1.5])
def test_labels_of_other_samples_are_refused_at_the_call(labels: np.ndarray, scale: float) -> None:
    """Too few fail in a task, and what is left of too many would be passed over."""
    model = nd.clipped(nd.guided(images(), labels, scale), SCHEDULE)
    with pytest.raises(ValueError, match=f"^labels: .*, or one for each of 5 samples, got {len(labels)}$"):
        nd.parallel.sample(model, SCHEDULE, 5, chunk=2)
