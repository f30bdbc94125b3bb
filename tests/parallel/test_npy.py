"""An array in one .npy file: what NumPy would write, whole or not at all, and never all of it in memory."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from checks.dask_arrays import SCHEDULE, network

import numpy_diffusion as nd
from numpy_diffusion.parallel import npy

arrays = pytest.importorskip("dask.array", reason="Dask is not installed")


@pytest.mark.parametrize("client", [1], indirect=True)
def test_the_file_is_that_of_numpy(client: Any, tmp_path: Path) -> None:
    nd.parallel.to_npy(nd.parallel.sample(network(), SCHEDULE, 300, chunk=7), tmp_path / "x.npy", client=client)
    np.save(tmp_path / "whole.npy", nd.sample(network(), SCHEDULE, 300))
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize("client", [1], indirect=True)
@pytest.mark.parametrize("shape", [(5,), (5, 4), (5, 4, 3)])
def test_chunks_on_any_axis_come_in_the_order_of_the_file(
    client: Any, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    x = np.arange(np.prod(shape), dtype=">i2").reshape(shape)
    nd.parallel.to_npy(arrays.from_array(x, chunks=2), tmp_path / "x.npy", client=client)
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(found, x)
    assert found.dtype == x.dtype


class FewAtOnce:
    """A client of three threads that counts the chunks that were asked for and not yet taken."""

    def __init__(self) -> None:
        self.open = self.most = 0

    def nthreads(self) -> dict[str, int]:
        return {"one": 1, "two": 2}

    def compute(self, block: Any) -> Any:
        self.open += 1
        self.most = max(self.most, self.open)
        found = block.compute(scheduler="sync")
        client = self

        class Future:
            def result(self) -> np.ndarray:
                client.open -= 1
                return found

        return Future()


def test_few_chunks_are_asked_for_at_once() -> None:
    client = FewAtOnce()
    content = b"".join(npy._content(arrays.from_array(np.arange(100.0), chunks=2), client))
    assert content.endswith(np.arange(100.0).tobytes())
    assert (client.most, client.open) == (npy.AHEAD * 3 + 1, 0)


@pytest.mark.parametrize("client", [1], indirect=True)
def test_a_failure_leaves_the_old_file(client: Any, tmp_path: Path) -> None:
    def fails(x: np.ndarray, t: int) -> np.ndarray:
        return np.full_like(x, np.nan)

    path = tmp_path / "x.npy"
    path.write_text("old")
    x = nd.parallel.sample(fails, SCHEDULE, 9, client=client, chunk=4, shape=(2,))
    with pytest.raises(ValueError, match=r"^model: eps at t = 20: expected finite values"):
        nd.parallel.to_npy(x, path, client=client)
    assert [one.name for one in tmp_path.iterdir()] == ["x.npy"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("client", [1], indirect=True)
def test_what_is_wrong_is_said(client: Any, tmp_path: Path) -> None:
    x = arrays.ones(3)
    with pytest.raises(ValueError, match=r"^x: expected a dask array, got ndarray$"):
        nd.parallel.to_npy(np.ones(3), tmp_path / "x.npy", client=client)
    with pytest.raises(ValueError, match=r"^client: expected a Client, got NoneType None$"):
        nd.parallel.to_npy(x, tmp_path / "x.npy", client=None)
    with pytest.raises(OSError, match=r"^path: cannot write to .*/no/x\.npy: No such file or directory$"):
        nd.parallel.to_npy(x, tmp_path / "no" / "x.npy", client=client)


@pytest.mark.parametrize("reason", ["scheduler-connection-lost", "workers died"])
def test_a_chunk_that_does_not_come_is_said_in_a_sentence(reason: str) -> None:
    """A scheduler that is gone, or a task with which too many workers have died."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    lost = (
        CancelledError(reason)
        if "died" not in reason
        else distributed.scheduler.KilledWorker("x", SimpleNamespace(address="w"), 3)
    )

    class Future:
        def result(self) -> np.ndarray:
            raise lost

    with pytest.raises(OSError, match=r"^client: expected each chunk from its workers, one did not come: ") as raised:
        npy._bytes(Future(), np.dtype(np.float32))
    assert reason in str(raised.value)
