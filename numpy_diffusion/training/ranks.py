"""Several processes that train together over MPI: what they send each other, agree on, and end by.

mpi4py's communicator is called here and never imported: who has one has imported it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import reprlib
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import numpy as np

from numpy_diffusion._version import __version__
from numpy_diffusion.models.shares import ALONE, Message, Ranks, add_up
from numpy_diffusion.training.interrupts import Stop

PATIENCE: Final = "NUMPY_DIFFUSION_MPI_SECONDS"  # how long a rank waits for the others
SECONDS: Final = 600.0  # unless that says otherwise: the others may be compiling, or drawing at a checkpoint
ACTIVE: Final = 1e-3  # seconds that a rank looks for what has come, before it sleeps in between
NAP: Final = 1e-4  # seconds
TAG: Final = 1

Found = TypeVar("Found")


class OverMPI:
    """The processes of an MPI communicator; one that is gone or silent for `seconds` ends the wait for it.

    Raises
    ------
    ConnectionError : from `exchange`
    """

    since: ClassVar[float | None] = None  # when this process began to wait, while it waits

    def __init__(self, comm: Any, seconds: float) -> None:
        self.rank, self.size, self._seconds = int(comm.Get_rank()), int(comm.Get_size()), seconds
        self._comm = comm.Dup()  # so that no message meets one of the caller's

    def exchange(self, sent: Sequence[Message], received: Sequence[Message]) -> None:
        waiting: list[tuple[int, Any]] = []
        OverMPI.since = time.monotonic()
        try:
            waiting += [(other, self._comm.Irecv(numbers, source=other, tag=TAG)) for other, numbers in received]
            waiting += [(other, self._comm.Isend(numbers, dest=other, tag=TAG)) for other, numbers in sent]
            self._wait(waiting)
        except RuntimeError as error:  # what mpi4py's exceptions are
            asked = ", ".join(sorted({str(other) for other, _ in waiting})) or "another"
            raise ConnectionError(f"comm: the connection to rank {asked} is broken: training ends here") from error
        finally:
            OverMPI.since = None

    def _wait(self, waiting: list[tuple[int, Any]]) -> None:
        begun = time.monotonic()
        while waiting:
            waiting[:] = [(other, request) for other, request in waiting if not request.Test()]
            waited = time.monotonic() - begun
            if waited > ACTIVE:
                time.sleep(NAP)
            if waiting and waited > self._seconds:
                silent = ", ".join(sorted({str(other) for other, _ in waiting}))
                raise ConnectionError(
                    f"comm: rank {silent} has not answered for {self._seconds:g} s: training ends here"
                )


def over(comm: Any) -> Ranks:
    """The processes of an mpi4py communicator; this one alone where there is none."""
    if comm is None:
        return ALONE
    if not all(hasattr(comm, name) for name in ("Get_rank", "Get_size", "Dup", "Isend", "Irecv")):
        raise ValueError(f"comm: expected a communicator of mpi4py, such as MPI.COMM_WORLD, got {comm!r:.80}")
    return OverMPI(comm, patience()) if comm.Get_size() > 1 else ALONE


def patience() -> float:
    """Seconds that a rank waits for the others, as the user says or as many as there are by default."""
    given = os.environ.get(PATIENCE, str(SECONDS))
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0.0 < seconds < float("inf"):
        raise ValueError(f"{PATIENCE}: expected seconds, more than 0, got {given!r}")
    return seconds


def texts(ranks: Ranks, own: str) -> list[str]:
    """What each rank has to say, on every rank."""
    content, lengths = own.encode(), np.zeros(ranks.size, np.int32)
    lengths[ranks.rank] = len(content)
    add_up(ranks, ranks.size, lengths)
    words = np.zeros((ranks.size, -(-int(lengths.max()) // 4)), np.int32)
    words[ranks.rank].view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
    add_up(ranks, ranks.size, words.reshape(-1))
    return [row.tobytes()[:length].decode() for row, length in zip(words, lengths.tolist(), strict=True)]


def together(ranks: Ranks, action: Callable[[], Found]) -> Found:
    """What the action gives, when every rank has done it: where it fails on one, it fails on all.

    Raises
    ------
    ValueError : "rank 2: " and the error of that rank, where it is not this one's
    """
    if ranks.size == 1:
        return action()
    error: Exception | None = None
    try:
        found = action()
    except Exception as raised:
        error = raised
    told = texts(ranks, "" if error is None else str(error) or type(error).__name__)
    if error is not None:
        raise error
    for rank, text in enumerate(told):
        if text:
            raise ValueError(f"rank {rank}: {text}")
    return found


def check_alike(ranks: Ranks, terms: Callable[[], dict[str, Any]]) -> None:
    """ValueError, on every rank, where one has other terms than the first; or runs on what rounds otherwise."""
    if ranks.size == 1:
        return
    given = terms()
    own = json.dumps({name: _short(value) for name, value in (_versions() | given | _unit(given)).items()})
    if len(set(texts(ranks, digest(own.encode())))) == 1:
        return
    first, *others = map(json.loads, texts(ranks, own))
    for rank, other in enumerate(others, 1):
        for name in first | other:
            if first.get(name) != other.get(name):
                expected = f"{first.get(name)} as on rank 0, got {other.get(name)} on rank {rank}"
                raise ValueError(f"{name}: expected {expected}")


def _versions() -> dict[str, str]:
    """What rounds: the version of this package, and of the libraries whose functions and compiler it uses."""
    found = {"numpy_diffusion": __version__, "numpy": np.__version__}
    try:
        return found | {"numba": importlib.metadata.version("numba")}
    except importlib.metadata.PackageNotFoundError:
        return found


def _unit(terms: dict[str, Any]) -> dict[str, str]:
    """What rounds besides, where products are in bfloat16: a tile unit adds them up in another order."""
    if terms.get("precision") != "bfloat16":
        return {}
    from numpy_diffusion.kernels.vector.registers import TILES  # of Numba, which such products need

    return {"products in bfloat16": "by a tile unit" if TILES else "by vector registers"}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < 300 else f"{reprlib.repr(value)} (sha256 {digest(text)})"


def digest(*values: Any) -> str:
    """The beginning of the SHA-256 of bytes, texts or arrays."""
    total = hashlib.sha256()
    for value in values:
        total.update(value.encode() if isinstance(value, str) else np.ascontiguousarray(value).tobytes())
    return total.hexdigest()[:12]


class Agreed(NamedTuple):
    """What all ranks take for the truth: the first one's seconds, and whether any has been asked to stop."""

    seconds: float
    stop: bool


def agreed(ranks: Ranks, seconds: float, stop: Stop) -> Agreed:
    """The same on every rank."""
    if ranks.size == 1:
        return Agreed(seconds, stop.asked)
    numbers = np.array([seconds if ranks.rank == 0 else 0.0, stop.asked], np.float64)
    add_up(ranks, ranks.size, numbers)
    return Agreed(float(numbers[0]), bool(numbers[1]))
