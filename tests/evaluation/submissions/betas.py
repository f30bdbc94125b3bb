"""Submissions of betas(T), named by what is right or wrong in them, each in two spellings."""

import numpy as np


def right_1(T):
    scale = 1000 / T
    beta = np.linspace(min(1e-4 * scale, 0.999), min(0.02 * scale, 0.999), T)
    return np.concatenate(([0.0], beta))


def right_2(T):
    first, last = np.minimum(np.array([0.1, 20.0]) / T, 0.999)
    beta = [0.0]
    for t in range(1, T + 1):
        beta.append(first + (last - first) * (t - 1) / (T - 1))
    return beta


def unscaled_1(T):
    beta = np.zeros(T + 1)
    beta[1:] = np.linspace(1e-4, 0.02, T)
    return beta


def unscaled_2(T, start=0.0001, end=0.02):
    step = (end - start) / (T - 1)
    return np.array([0.0] + [start + step * k for k in range(T)])


def without_zero_1(T):
    return np.linspace(min(0.1 / T, 0.999), min(20 / T, 0.999), T)


def without_zero_2(T):
    low, high = 0.1 / T, min(20 / T, 0.999)
    return np.array([low + (high - low) * k / (T - 1) for k in range(T)])
