"""Which k of the T steps a fast sampler takes, from the highest to the lowest."""

import numpy as np


def chosen_steps(T, k):
    every = np.arange(1, T + 1)
    chosen = every[:k]
    return chosen[::-1]
