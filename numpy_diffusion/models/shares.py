"""What each of several processes takes of a training batch, and the sum of what they find, to the bit that of one.

A batch is divided into groups of samples, by its size alone, and gradients are summed over these in the order of a
fixed binary tree (`kernels.groups`).  A process, called a rank as in MPI, takes the groups below one node:

    groups   0 1 2 3 4 5 6 7          ranks 0, 1 and 2 of three:
    level 1  --- --- --- ---          groups 0..1, 2..3, 4..7
    level 2  ------- -------
    level 3  ---------------

So the ranks' sums are the nodes at which the rest of the tree begins, and it takes as many rounds of messages as
there are levels above them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple, Protocol

import numpy as np


class Ranks(Protocol):
    """The processes that train together, as each of them sees the others.

    Attributes
    ----------
    rank : which of them this one is, 0..size - 1
    size : how many there are
    """

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def exchange(self, sent: Sequence[Message], received: Sequence[Message]) -> None:
        """Send arrays to others, and fill arrays with what others send; back when all has come and gone."""


class Message(NamedTuple):
    """An array [n], and which rank it goes to or comes from."""

    rank: int
    numbers: np.ndarray


class Alone(NamedTuple):
    """One process without others."""

    rank: int = 0
    size: int = 1

    def exchange(self, sent: Sequence[Message], received: Sequence[Message]) -> None:
        """There is nobody to send to."""


ALONE = Alone()


def groups_of(batch: int) -> int:
    """Into how many groups a batch is divided: 4, and from 64 on a power of two, so that each has 8 to 15 samples.

    Examples
    --------
    >>> [groups_of(batch) for batch in (1, 4, 63, 64, 127, 128, 1024)]
    [1, 4, 4, 8, 8, 16, 128]
    """
    return min(batch, 4 << max(0, (batch // 32).bit_length() - 1))


class Share(NamedTuple):
    """Groups low..high - 1 of a batch.

    Attributes
    ----------
    batch : samples of the whole batch
    groups : of the whole batch
    low, high : the groups that are this rank's
    unit : a group's samples are a multiple of it, but for the last
    """

    batch: int
    groups: int
    low: int
    high: int
    unit: int = 1

    @property
    def bounds(self) -> np.ndarray:
        """The first sample of each group, and the one behind the last: int64 [high - low + 1]."""
        units = -(-self.batch // self.unit)
        return np.minimum(np.arange(self.low, self.high + 1) * units // self.groups * self.unit, self.batch)

    @property
    def samples(self) -> np.ndarray:
        """The numbers of the samples, int64."""
        return np.arange(*self.bounds[[0, -1]])


def share(batch: int, groups: int, ranks: Ranks = ALONE, unit: int = 1) -> Share:
    """This rank's share of a batch, or a ValueError where there are more ranks than groups."""
    if ranks.size > groups:
        raise ValueError(
            f"comm: expected at most {groups} processes for a batch of {batch}, which is divided into so many "
            f"groups, got {ranks.size}"
        )
    low, high = shares(groups, ranks.size)[ranks.rank]
    return Share(batch, groups, low, high, unit)


def check_alone(what: str, ranks: Ranks) -> None:
    """ValueError where several processes are to train what no gradient is summed over groups of."""
    if ranks.size > 1:
        raise ValueError(
            f"comm: expected one process for {what}, whose gradient is not summed over groups of samples, got "
            f"{ranks.size}"
        )


class Node(NamedTuple):
    """Groups low..high - 1, which are the ranks' first..last - 1."""

    low: int
    high: int
    first: int
    last: int

    @property
    def branches(self) -> tuple[Node, Node]:
        """Its two halves, the left one a whole tree, with ranks in proportion; of more than one rank."""
        groups, ranks = self.high - self.low, self.last - self.first
        left = 1 << (groups - 1).bit_length() - 1
        middle = self.first + max(ranks - (groups - left), min(-(-ranks * left // groups), ranks - 1))
        return Node(self.low, self.low + left, self.first, middle), Node(
            self.low + left, self.high, middle, self.last
        )


@lru_cache(maxsize=64)
def shares(groups: int, size: int) -> list[tuple[int, int]]:
    """The groups low..high - 1 of each rank: those below one node of the tree.

    Examples
    --------
    >>> shares(8, 3), shares(3, 3)
    ([(0, 2), (2, 4), (4, 8)], [(0, 1), (1, 2), (2, 3)])
    """

    def below(node: Node) -> Iterator[tuple[int, int]]:
        if node.last - node.first == 1:
            yield node.low, node.high
        else:
            for branch in node.branches:
                yield from below(branch)

    return list(below(Node(0, groups, 0, size)))


class Round(NamedTuple):
    """A node of the tree above a rank, as messages: who has which part of the vectors before, and who afterwards.

    Each tuple names ranks in the order of equal parts of a vector.
    """

    own: tuple[int, ...]  # those of this rank's branch
    other: tuple[int, ...]  # those of the other
    both: tuple[int, ...]


@lru_cache(maxsize=64)
def rounds(groups: int, rank: int, size: int) -> list[Round]:
    """The nodes above a rank, from its own share to the root.

    Examples
    --------
    >>> rounds(8, rank=1, size=3)
    [Round(own=(1,), other=(0,), both=(0, 1)), Round(own=(0, 1), other=(2,), both=(0, 2, 1))]
    """

    def above(node: Node) -> tuple[tuple[int, ...], list[Round]]:
        """Who has the parts of a node's sum, and this rank's rounds on the way there."""
        if node.last - node.first == 1:
            return (node.first,), []
        (left, found), (right, more) = map(above, node.branches)
        both = tuple(r for pair in zip_longest(left, right) for r in pair if r is not None)
        if rank in left:
            return both, [*found, Round(left, right, both)]
        return both, [*more, Round(right, left, both)] if rank in right else []

    return above(Node(0, groups, 0, size))[1]


def add_up(ranks: Ranks, groups: int, numbers: np.ndarray) -> None:
    """Put the sum of all ranks' numbers [V] in their place, on every rank, added in the order of the tree.

    On the way up the tree each rank adds up a part of the vector, the shorter the more ranks there are below the
    node; on the way down it gets the others' parts.
    """
    way = rounds(groups, ranks.rank, ranks.size)
    for node in way:
        _up(ranks, node, numbers)
    for node in reversed(way):
        _down(ranks, node, numbers)


def gathered(ranks: Ranks, share: Share, own: np.ndarray) -> np.ndarray:
    """The rows of all samples of a batch [batch, ...], on every rank, from those of its own share."""
    if ranks.size == 1:
        return own
    whole = np.zeros((share.batch, *own.shape[1:]), own.dtype)
    whole[share.samples] = own
    add_up(ranks, share.groups, whole.reshape(-1).view(np.int32))  # bits: -0.0 + 0.0 would be another number
    return whole


def over_tree(values: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of what the groups of a share give, in the order of the tree.

    Examples
    --------
    >>> over_tree([np.array(1e8), np.array(1.0), np.array(-1e8)])
    np.float64(1.0)
    """
    values, apart = list(values), 1
    while apart < len(values):
        for group in range(0, len(values) - apart, 2 * apart):
            values[group] = values[group] + values[group + apart]
        apart *= 2
    return values[0]


def _up(ranks: Ranks, node: Round, numbers: np.ndarray) -> None:
    me, V = ranks.rank, len(numbers)
    mine, before = _part(node.both, me, V), _part(node.own, me, V)
    added = np.empty(mine[1] - mine[0], numbers.dtype)
    sent = [(r, _common(before, _part(node.both, r, V))) for r in node.both if r != me]
    moved = [(r, _common(_part(node.own, r, V), mine)) for r in node.own if r != me]
    others = [(r, _common(_part(node.other, r, V), mine)) for r in node.other]
    ranks.exchange(_messages(sent, numbers), _messages(moved, numbers) + _messages(others, added, mine[0]))
    numbers[slice(*mine)] += added


def _down(ranks: Ranks, node: Round, numbers: np.ndarray) -> None:
    me, V = ranks.rank, len(numbers)
    mine = _part(node.both, me, V)

    def after(rank: int) -> tuple[int, int]:
        return _part(node.own if rank in node.own else node.other, rank, V)

    sent = [(r, _common(mine, after(r))) for r in node.both if r != me]
    received = [(r, _common(_part(node.both, r, V), after(me))) for r in node.both if r != me]
    ranks.exchange(_messages(sent, numbers), _messages(received, numbers))


def _part(ranks: tuple[int, ...], rank: int, V: int) -> tuple[int, int]:
    """A rank's part of a vector [V] that these ranks have equal parts of; nothing where it is none of them."""
    if rank not in ranks:
        return 0, 0
    place = ranks.index(rank)
    return place * V // len(ranks), (place + 1) * V // len(ranks)


def _common(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(one[0], other[0]), min(one[1], other[1])


def _messages(parts: list[tuple[int, tuple[int, int]]], numbers: np.ndarray, first: int = 0) -> list[Message]:
    """The parts that are not empty, as what is sent or received; number 0 of the array is number `first`."""
    return [Message(rank, numbers[low - first : high - first]) for rank, (low, high) in parts if low < high]
