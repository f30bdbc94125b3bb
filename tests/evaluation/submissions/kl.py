"""Submissions of kl(mean_q, variance_q, mean_p, variance_p), named by what is right or wrong in them."""

import numpy as np


def right_1(mean_q, variance_q, mean_p, variance_p):
    ratio = variance_q / variance_p
    return 0.5 * np.sum(ratio - 1 - np.log(ratio) + (mean_q - mean_p) ** 2 / variance_p, axis=1)


def right_2(mean_q, variance_q, mean_p, variance_p):
    cross_entropy = 0.5 * (np.log(2 * np.pi * variance_p) + (variance_q + (mean_q - mean_p) ** 2) / variance_p)
    entropy = 0.5 * np.log(2 * np.pi * np.e * variance_q)
    return (cross_entropy - entropy).sum(axis=-1)


def reversed_1(mean_q, variance_q, mean_p, variance_p):
    ratio = variance_p / variance_q
    return 0.5 * np.sum(ratio - 1 - np.log(ratio) + (mean_q - mean_p) ** 2 / variance_q, axis=1)


def reversed_2(mean_q, variance_q, mean_p, variance_p):
    cross_entropy = 0.5 * (np.log(2 * np.pi * variance_q) + (variance_p + (mean_q - mean_p) ** 2) / variance_q)
    return (cross_entropy - 0.5 * np.log(2 * np.pi * np.e * variance_p)).sum(axis=-1)
