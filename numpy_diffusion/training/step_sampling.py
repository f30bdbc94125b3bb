"""Which steps t training draws: all alike, or by the history of their losses (Nichol and Dhariwal 2021, section 3.3).

    p_t proportional to sqrt(E L_t^2), the loss divided by T p_t

is the choice that makes the noise of the estimated bound least; E L_t^2 is the mean over the last MEMORY losses of t.
Until each t has so many, all are drawn alike.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np

Sampling = Literal["uniform", "importance"]
SAMPLINGS: Final[tuple[Sampling, ...]] = get_args(Sampling)
MEMORY: Final = 10  # Nichol and Dhariwal 2021, section 3.3
ENTRIES: Final = 64  # of the table, a step


def start(T: int) -> np.ndarray:
    """A history without losses: float32 [T + 1, MEMORY + 1], the last column how many a step has seen."""
    return np.zeros((T + 1, MEMORY + 1), np.float32)


def uniform(T: int) -> tuple[np.ndarray, np.ndarray]:
    """The table and the factors where all steps are drawn alike; see `by_history`."""
    return np.arange(1, T + 1), np.ones(T + 1)


def by_history(history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps to draw from, and what their losses are multiplied by.

    Returns
    -------
    table : int64 [M]; an entry drawn uniformly is t with probability p_t.  Each t stands in it at least once.
    factors : float64 [T + 1], 1 / (T p_t) of the table as it is, so that the estimate has no bias

    Examples
    --------
    >>> history = start(T=2)
    >>> history[1:] = [*[1.0] * MEMORY, MEMORY], [*[3.0] * MEMORY, MEMORY]
    >>> table, factors = by_history(history)
    >>> len(table), float((table == 2).mean().round(2)), factors.round(2).tolist()
    (127, 0.75, [1.0, 1.98, 0.67])
    """
    T = len(history) - 1
    size = np.sqrt((history[1:, :MEMORY].astype(np.float64) ** 2).mean(axis=1))
    if history[1:, MEMORY].min() < MEMORY or size.sum() == 0.0:
        return uniform(T)
    entries = 1 + np.floor((ENTRIES - 1) * T * size / size.sum()).astype(np.int64)
    return np.repeat(np.arange(1, T + 1), entries), np.concatenate([[1.0], entries.sum() / (T * entries)])


def remembered(history: np.ndarray, t: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The history with the losses [N] of the steps t [N] in the place of the oldest, in order."""
    history = history.copy()
    order = np.argsort(t, kind="stable")
    t, losses = t[order], losses[order]
    steps, first, counts = np.unique(t, return_index=True, return_counts=True)
    rank = np.arange(len(t)) - np.repeat(first, counts)
    seen = history[:, MEMORY].astype(np.int64)
    history[t, (seen[t] + rank) % MEMORY] = losses  # of several in one place the last stays
    seen[steps] += counts
    history[steps, MEMORY] = np.where(seen < MEMORY, seen, MEMORY + seen % MEMORY)[steps]
    return history
