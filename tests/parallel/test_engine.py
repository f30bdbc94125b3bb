"""Dask found or missed, a model placed, and a task's thread."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import pytest
from checks.dask_arrays import SCHEDULE, network

import numpy_diffusion as nd
from numpy_diffusion.kernels.backend import chosen
from numpy_diffusion.parallel import engine


def test_dask_comes_when_it_is_asked_for() -> None:
    code = (
        "import sys, numpy_diffusion as nd; assert not {'dask', 'distributed'} & set(sys.modules)\n"
        "assert nd.parallel.sample and 'dask' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_dask_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.array", None)
    expected = r"^parallel: expected Dask, which cannot be imported \(.*\): pip install 'numpy_diffusion\[dask\]'$"
    for call in (
        lambda: nd.parallel.sample(network(), SCHEDULE, 5),
        lambda: nd.parallel.log_prob(network(), SCHEDULE, None),
        lambda: nd.parallel.bound(network(), SCHEDULE, None),
        lambda: nd.parallel.score_samples(None, None),
        lambda: nd.parallel.to_npy(None, "x.npy", client=None),
    ):
        with pytest.raises(ImportError, match=expected):
            call()


def test_equal_models_have_one_key_and_others_another() -> None:
    pytest.importorskip("dask", reason="Dask is not installed")
    model, other = network(), network()
    keys = [engine.placed("model", one, None).key for one in (model, model.copy(), other)]
    assert len(set(keys)) == 1
    assert keys[0].startswith("model-")
    other.shift[0] += 1.0
    assert engine.placed("model", other, None).key != keys[0]


@pytest.mark.parametrize("client", [1], indirect=True)
def test_a_large_model_comes_without_a_warning(client: Any, recwarn: pytest.WarningsRecorder) -> None:
    """Of Dask's, that it be scattered, and so lost with the workers that it was scattered to."""
    model = engine.placed("model", np.zeros(2**22, np.float32), client)
    assert model.result().nbytes == 2**24
    assert not recwarn.list


def test_a_task_has_one_thread_and_gives_the_others_back() -> None:
    before = numba.get_num_threads()
    with engine.task("numba", "float32"):
        assert (numba.get_num_threads(), chosen()) == (1, "numba")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(numba.get_num_threads).result() == numba.config.NUMBA_NUM_THREADS
    assert numba.get_num_threads() == before
    with pytest.raises(RuntimeError), engine.task("numba", "float32"):
        raise RuntimeError
    assert numba.get_num_threads() == before


def test_definitions_need_no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with engine.task("numpy", "float32"):
        assert chosen() == "numpy"


def test_an_address_without_a_port_ends_the_process_with_a_sentence() -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    code = "from numpy_diffusion.parallel.engine import connected; connected('tcp://host0')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    expected = "OSError: client: expected the address of a Dask scheduler, got 'tcp://host0': missing port number"
    assert expected in done.stderr
