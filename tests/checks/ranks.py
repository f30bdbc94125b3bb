"""Processes that train together, as threads that put arrays into each other's queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
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


def on_ranks(size: int, function: Callable[[Any], Found]) -> list[Found]:
    """What the function gives on each of so many ranks; the first exception of one of them is raised here."""
    queues: list[list[SimpleQueue[Any]]] = [[SimpleQueue() for _ in range(size)] for _ in range(size)]
    found: list[Any] = [None] * size
    errors: list[BaseException] = []

    def one(rank: int) -> None:
        try:
            found[rank] = function(ThreadRanks(rank, queues))
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
