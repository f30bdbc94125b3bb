"""What all functions of this room ask of Dask: its arrays, a model that travels once, a task that takes one thread.

Dask is imported when it is asked for and not before.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.kernels.precision import Precision, precision

Thing = TypeVar("Thing")


def module(name: str) -> Any:
    """A module of Dask's.

    Raises
    ------
    ImportError : it is not installed
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"parallel: expected Dask, which cannot be imported ({error}): pip install 'numpy_diffusion[dask]'"
        ) from None


def connected(address: str) -> Any:
    """A client of the scheduler at an address, for a `with`.

    Raises
    ------
    OSError : there is none
    """
    distributed, comm = module("distributed"), module("distributed.comm")
    try:
        if comm.parse_address(address)[0] in ("tcp", "tls"):
            comm.get_address_host_port(address)  # a client that finds out by itself does not let the process end
        return distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(f"client: expected the address of a Dask scheduler, got {address!r}: {error}") from None


def client_of(value: Any) -> Any:
    """The client, or a ValueError that says what it is."""
    return _checks.instance("client", value, module("distributed").Client)


def placed(what: str, model: Any, client: Any) -> Any:
    """The model as an argument of tasks: a key of its own, so that a worker gets it once, and not with each task.

    With a client it goes to the scheduler now and stays there as long as an array needs it: a worker that was killed
    takes none of it along.  Without one it is a part of the graph.  The key is a checksum of all that travels: Dask's
    own leaves out what a dataclass holds beside its fields, as a density's fit.
    """
    key = f"{what}-{hashlib.sha256(module('cloudpickle').dumps(model)).hexdigest()[:32]}"
    if client is None:
        return module("dask").delayed(model, name=key, traverse=False)
    with warnings.catch_warnings():  # Dask would have a large model scattered, which is lost with who holds it
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        return client_of(client).submit(itself, model, key=key)


def name(what: str, *of: Any) -> str:
    """The name of an array: what Dask's dashboard shows, and a checksum of keys and numbers that it follows from."""
    return f"{what}-{module('dask.base').tokenize(*(getattr(one, 'key', one) for one in of))}"


def itself(thing: Thing) -> Thing:
    """The task that hands a model out."""
    return thing


@contextmanager
def task(form: Backend, rounding: Precision = "float32") -> Iterator[None]:
    """Around the work of a task: its kernels, or definitions, what they multiply, and the one thread that it is in.

    Numba's setting is that of the Python thread, and is put back: Dask's threads are others' as well.
    """
    with backends.backend(form), precision(rounding):
        if backends.chosen() == "numpy":
            yield
            return
        from numba import get_num_threads, set_num_threads  # here, since there may be none

        threads = get_num_threads()
        set_num_threads(1)
        try:
            yield
        finally:
            set_num_threads(threads)
