"""One step of the forward chain, from x_{t-1} to x_t."""

import numpy as np


def add_noise(x, t, beta, rng):
    noise = rng.random(x.shape)
    return np.sqrt(1 - beta[t]) * x + beta[t] * noise
