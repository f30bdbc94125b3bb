"""A row of numbers that are learned for each class."""

from __future__ import annotations

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]


def forward(labels: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y [..., E] from labels [...], ints in 0..K - 1, and weight [K, E]."""
    return weight[labels], (labels, weight)


def backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """dweight [K, E] from dy [..., E]: a label may stand more than once in a batch."""
    labels, weight = cache
    dweight = np.zeros_like(weight)
    np.add.at(dweight, labels, dy)
    return dweight
