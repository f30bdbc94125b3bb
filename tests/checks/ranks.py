"""Processes that train together, as threads that put arrays into each other's queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from numpy_diffusion.models.shares import Message

Found = TypeVar("Found")
PATIENCE = 20.0  # seconds


class ThreadRanks:
    """One of `size` ranks, and how many numbers it has sent."""

    def __init__(self, rank: int, queues: list[list[SimpleQueue[Any]]]) -> None:
        self.rank, self.size, self.sent, self._queues = rank, len(queues), 0, queues

    def exchange(self, sent: Sequence[Message], received: Sequence[Message]) -> None:
        for other, numbers in sent:
            assert other != self.rank
            self.sent += numbers.size
            self._queues[self.rank][other].put(numbers.copy())
        for other, numbers in received:
            found = self._queues[other][self.rank].get(timeout=PATIENCE)
            assert (found.dtype, found.shape) == (numbers.dtype, numbers.shape)
            numbers[:] = found


class Request:
    """What MPI gives for a message: whether it has come."""

    def __init__(self, queue: SimpleQueue[Any] | None, target: Any = None) -> None:
        self._queue, self._target = queue, target

    def Test(self) -> bool:
        if self._queue is None:
            return True
        try:
            found = self._queue.get_nowait()
        except Empty:
            return False
        assert (found.dtype, found.shape) == (self._target.dtype, self._target.shape)
        self._target[:] = found
        return True


class ThreadComm:
    """A communicator as mpi4py's, for threads."""

    def __init__(self, rank: int, queues: list[list[SimpleQueue[Any]]]) -> None:
        self._rank, self._queues = rank, queues

    def Get_rank(self) -> int:
        return self._rank

    def Get_size(self) -> int:
        return len(self._queues)

    def Dup(self) -> ThreadComm:
        return self

    def Isend(self, numbers: Any, dest: int, tag: int) -> Request:
        self._queues[self._rank][dest].put(numbers.copy())
        return Request(None)

    def Irecv(self, numbers: Any, source: int, tag: int) -> Request:
        return Request(self._queues[source][self._rank], numbers)


def on_comms(size: int, function: Callable[[ThreadComm], Found]) -> list[Found]:
    """As `on_ranks`, with a communicator for each."""
    return _on_threads(size, ThreadComm, function)


def on_ranks(size: int, function: Callable[[Any], Found]) -> list[Found]:
    """What the function gives on each of so many ranks; the first exception of one of them is raised here."""
    return _on_threads(size, ThreadRanks, function)


def _on_threads(size: int, kind: Callable[..., Any], function: Callable[[Any], Found]) -> list[Found]:
    queues: list[list[SimpleQueue[Any]]] = [[SimpleQueue() for _ in range(size)] for _ in range(size)]
    found: list[Any] = [None] * size
    errors: list[BaseException] = []

    def one(rank: int) -> None:
        try:
            found[rank] = function(kind(rank, queues))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found
