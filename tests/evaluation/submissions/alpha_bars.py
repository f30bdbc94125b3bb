"""Submissions of alpha_bars(beta), named by what is right or wrong in them, each in two spellings."""

import numpy as np


def right_1(beta):
    return np.cumprod(1 - beta)


def right_2(beta):
    out, product = [], 1.0
    for b in beta:
        product *= 1.0 - b
        out.append(product)
    return np.array(out)


def late_1(beta):
    out, product = [], 1.0
    for b in beta:
        out.append(product)
        product *= 1.0 - b
    return np.array(out)


def late_2(beta):
    alpha = 1 - beta
    return np.array([np.prod(alpha[:t]) for t in range(len(beta))])


def summed_1(beta):
    return 1 - np.cumsum(beta)


def summed_2(beta):
    left = np.ones_like(beta)
    for t in range(1, len(beta)):
        left[t] = left[t - 1] - beta[t]
    return left
