"""The gradients of a batch, summed over fixed groups of its samples in the order of one binary tree.

    ((g_0 + g_1) + (g_2 + g_3)) + ((g_4 + g_5) + (g_6 + g_7))

The tree depends on the number of groups alone, so the sum is the same for any number of threads; and for any number
of processes that have a subtree each (`models.shares`).  A thread takes groups that follow each other and adds two
sums as soon as they are a node's two branches.  So it keeps one sum a level of the tree, not one a group.
"""

from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.memory import aligned
from numpy_diffusion.kernels.threads import kept, run, share

BLOCK = 4096  # numbers that stay in a core's first cache while rows are added up


class Groups(NamedTuple):
    """The groups of samples that a process sums over, and the rows that their gradients are summed in."""

    bounds: np.ndarray  # int64 [groups + 1]: group g is samples bounds[g]..bounds[g + 1] - 1
    rows: np.ndarray  # int64 [groups]: where the gradient of each is summed
    merges: np.ndarray  # int64 [groups]: how often thereafter the last row of the thread is added to the one before
    rest: np.ndarray  # int64 [.., 2]: when all threads are done, in order: rows[a] += rows[b]
    sums: np.ndarray  # float32 [rows, numbers]


def groups(bounds, threads, numbers):
    """The groups between these bounds, shared by so many threads; each gradient has so many numbers.

    Examples
    --------
    >>> found = groups(np.arange(9), threads=2, numbers=10)
    >>> found.rows.tolist(), found.merges.tolist(), found.rest.tolist()
    ([0, 1, 1, 2, 3, 4, 4, 5], [0, 1, 0, 2, 0, 1, 0, 2], [[0, 3]])
    """
    count, first, left = len(bounds) - 1, 0, []
    rows, merges = np.zeros((2, count), np.int64)
    for thread in range(threads):
        nodes = []  # first group and level of each sum that the thread keeps
        for group in range(*share(count, thread, threads)):
            rows[group] = first + len(nodes)
            nodes.append((group, 0))
            merges[group] = _joined(nodes, count)
        left += [(node, first + place) for place, node in enumerate(nodes)]
        first = max([first, *(rows[slice(*share(count, thread, threads))] + 1)])
    rest, nodes, places = [], [], []
    for node, place in left:
        nodes.append(node)
        places.append(place)
        for _ in range(_joined(nodes, count)):
            rest.append((places[-2], places.pop()))
    rest = np.array(rest, np.int64).reshape(-1, 2)
    return Groups(np.asarray(bounds, np.int64), rows, merges, rest, aligned(first * numbers).reshape(first, numbers))


def _joined(nodes, count):
    """Join the last two of the nodes as long as they are branches of one, and return how often that was done.

    Node (a, k) stands for groups a..a + 2^k - 1, as far as there are any; so the last may be a node of higher levels
    as well.
    """
    joined = 0
    while len(nodes) > 1:
        (a, level), (b, own) = nodes[-2:]
        if a % 2 ** (level + 1) or b != a + 2**level or b + 2**own < min(b + 2**level, count):
            break
        nodes[-2:] = [(a, level + 1)]
        joined += 1
    return joined


@jit
def merge(sums, row, count):
    """Add rows[row] to the row before it, that to the one before, and so on, `count` times."""
    for into in range(row - 1, row - 1 - count, -1):
        add(sums, into, into + 1, 0, sums.shape[1])


@jit
def add(sums, into, row, low, high):
    """rows[into] += rows[row], of the numbers low..high - 1."""
    first, second = sums[into, low:high], sums[row, low:high]
    for i in range(first.shape[0]):
        first[i] += second[i]


@jit
def add_rows(rows, low, high):
    """rows[0] = the sum of all rows, a group each, in the order of the tree, of the numbers low..high - 1."""
    for start in range(low, high, BLOCK):
        apart = 1
        while apart < rows.shape[0]:
            for row in range(0, rows.shape[0] - apart, 2 * apart):
                add(rows, row, row + apart, start, min(start + BLOCK, high))
            apart *= 2


class Rest(NamedTuple):
    """What is left to add up when the threads are done with their groups."""

    rest: np.ndarray
    sums: np.ndarray


@jit
def _rest(thread, threads, place):
    """One thread's share of the numbers."""
    rest, sums = kept(place)
    low, high = share(sums.shape[1], thread, threads)
    for start in range(low, high, BLOCK):
        for k in range(rest.shape[0]):
            add(sums, rest[k, 0], rest[k, 1], start, min(start + BLOCK, high))


def total(own):
    """The sum over all groups, in a row of their sums, when each thread is done with its own."""
    run(_rest, Rest(own.rest, own.sums))
    return own.sums[0]
