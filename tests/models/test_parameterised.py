"""What has parameters, by one that has nothing else; see `test_network` for networks."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.models import parameters
from numpy_diffusion.models.network import Network
from numpy_diffusion.models.parameterised import Parameterised
from numpy_diffusion.models.stored import Stored


@dataclass(frozen=True)
class PlaneConfig:
    rows: int
    columns: int = 2


class Plane(Parameterised):
    """A matrix and a row."""

    def __init__(self, rows: int, columns: int = 2, **more: Any) -> None:
        super().__init__(PlaneConfig(rows, columns), {"matrix": (rows, columns), "row": (columns,)}, **more)

    def initialise(self, seed: int) -> None:
        self.params["row"][:] = seed


def test_the_parameters_are_views_of_one_buffer() -> None:
    plane = Plane(3, seed=5)
    assert plane.buffer.tolist() == [0.0] * 6 + [5.0] * 2
    assert plane.buffer.dtype == np.float32
    plane.buffer[0] = 7.0
    assert plane.params["matrix"][0, 0] == 7.0
    assert Plane(3, dtype=np.float64).buffer.dtype == np.float64


def test_an_empty_one_draws_nothing_and_no_other_is_empty_after_it() -> None:
    assert not Plane.empty(rows=3, seed=5).buffer.any()
    with pytest.raises(ValueError, match="seed"):
        Plane.empty(rows=3, seed=-1)
    assert Plane(3, seed=5).buffer.any()


def test_it_is_filled_by_name() -> None:
    plane = Plane(1)
    plane.fill({"row": np.array([1.0, 2.0]), "other": np.zeros(1), "matrix": np.array([[3.0, 4.0]])})
    assert plane.buffer.tolist() == [3.0, 4.0, 1.0, 2.0]


def test_a_copy_has_its_own_buffer() -> None:
    plane = Plane(3, seed=5)
    for other in (plane.copy(), pickle.loads(pickle.dumps(plane))):
        assert np.shares_memory(other.params["row"], other.buffer)
        other.params["row"][:] = 1.0
        assert other.buffer[-1] == 1.0
    assert plane.buffer[-1] == 5.0


def test_a_pickle_has_the_parameters_once() -> None:
    """And not what a network keeps of them beside, in the order of its kernels."""
    plane = Plane(5000)
    plane._laid_out = plane.buffer.copy()
    assert len(pickle.dumps(plane)) < 1.1 * plane.buffer.nbytes
    assert pickle.loads(pickle.dumps(plane))._laid_out is None
    assert plane.copy()._laid_out is None


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_what_is_stored_elsewhere_is_copied_when_it_may_be_written_to(kind: Any) -> None:
    numbers = np.array([9, 1, 2, 3, 4], kind)
    plane, stored = Plane.empty(rows=1), Stored(numbers, {"row": 1, "matrix": 3})
    plane.read_from(stored)
    other = plane.copy()
    assert plane.numbers is other.numbers is stored
    assert np.shares_memory(plane.readable["row"], numbers) == (kind == np.float32)
    other.params["matrix"][0, 0] = 5.0
    assert other.numbers.tolist() == other.buffer.tolist() == [5.0, 4.0, 1.0, 2.0]
    assert plane.readable["matrix"].tolist() == [[3.0, 4.0]]
    assert plane.buffer.dtype == np.float32
    assert pickle.loads(pickle.dumps(plane)).buffer.tolist() == [3.0, 4.0, 1.0, 2.0]
    plane.read_from(stored)
    assert plane.readable["row"].tolist() == [1.0, 2.0]


def test_threads_that_ask_for_the_buffer_at_once_get_one_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins while the first is at it, and goes on when that one is done."""
    plane, numbers = Plane.empty(rows=1), np.arange(1, 5, dtype=np.float32)
    plane.read_from(Stored(numbers, {"matrix": 0, "row": 2}))
    real, found, threads = parameters.size, [], []

    def ask() -> None:
        found.append(plane.buffer)

    def interrupted(shapes: parameters.Shapes) -> int:
        if not threads:
            threads.append(threading.Thread(target=ask))
            threads[0].start()
            threads[0].join(0.5)
        return real(shapes)

    monkeypatch.setattr(parameters, "size", interrupted)
    ask()
    threads[0].join()
    assert plane.buffer.tolist() == numbers.tolist()
    assert all(buffer is plane.buffer for buffer in found)


@pytest.mark.parametrize("name", ["readable", "numbers"])
def test_what_is_stored_may_be_gone_at_any_moment(name: str) -> None:
    class Hurried(Plane):
        looks = 0

        def __getattribute__(self, what: str) -> Any:
            found = super().__getattribute__(what)
            if what == "_stored" and "buffer" not in self.__dict__ and type(self).looks == 0:
                type(self).looks = 1
                _ = self.buffer  # as another thread would
            return found

    plane = Hurried.empty(rows=1)
    plane.read_from(Stored(np.arange(1, 5, dtype=np.float32), {"matrix": 0, "row": 2}))
    found = getattr(plane, name)
    assert type(plane).looks == 1
    assert (found if name == "readable" else found.views(plane.shapes))["row"].tolist() == [3.0, 4.0]


def test_it_says_what_was_chosen() -> None:
    assert repr(Plane(3)) == "Plane(rows=3): 8 parameters"
    assert repr(Plane(2000, columns=3)) == "Plane(rows=2000, columns=3): 6,003 parameters"
    assert Plane(3).options == {"rows": 3, "columns": 2}


def test_a_network_is_one() -> None:
    assert issubclass(Network, Parameterised)


@pytest.mark.parametrize("dtype", [np.float16, int, "foo", None])
def test_another_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64, got "):
        Plane(2, dtype=dtype)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, True])
def test_another_seed_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"^seed: expected an integer in 0\.\."):
        Plane(2, seed=seed)


def test_without_first_weights_there_is_none() -> None:
    with pytest.raises(TypeError, match=r"abstract method .*initialise"):
        Parameterised(None, {})  # type: ignore[abstract]
