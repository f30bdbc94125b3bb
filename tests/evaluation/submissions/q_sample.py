"""Submissions of q_sample(x0, t, eps, alpha_bar), named by what is right or wrong in them, each in two spellings."""

import math

import numpy as np


def right_1(x0, t, eps, alpha_bar):
    ab = alpha_bar[t][:, None]
    return np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps


def right_2(x0, t, eps, alpha_bar):
    x0 *= np.sqrt(alpha_bar[t]).reshape(-1, 1)  # in place
    x0 += eps * ((1 - alpha_bar[t]) ** 0.5)[:, np.newaxis]
    return x0


def right_3(x0, t, eps, alpha_bar):
    signal_to_noise = alpha_bar[t] / (1 - alpha_bar[t])
    signal = np.sqrt(signal_to_noise / (1 + signal_to_noise))
    return np.einsum("n,nd->nd", signal, x0) + np.einsum("n,nd->nd", np.sqrt(1 / (1 + signal_to_noise)), eps)


def variance_for_deviation_1(x0, t, eps, alpha_bar):
    ab = alpha_bar[t].reshape(-1, 1)
    return ab**0.5 * x0 + (1 - ab) * eps


def variance_for_deviation_2(x0, t, eps, alpha_bar):
    return np.array([
        [math.sqrt(alpha_bar[k]) * a + e - alpha_bar[k] * e for a, e in zip(x, z, strict=True)]
        for x, k, z in zip(x0, t, eps, strict=True)
    ])  # fmt: skip


def off_by_one_1(x0, t, eps, alpha_bar):
    ab = np.take(alpha_bar, t - 1)[:, None]
    return np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps


def off_by_one_2(x0, t, eps, alpha_bar):
    shifted = np.roll(alpha_bar, 1)
    return (x0.T * shifted[t] ** 0.5 + eps.T * (1 - shifted[t]) ** 0.5).T


def place_in_batch_1(x0, t, eps, alpha_bar):
    ab = alpha_bar[: len(x0), None]
    return np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps


def place_in_batch_2(x0, t, eps, alpha_bar):
    xt = np.empty_like(x0)
    for n, _ in enumerate(t):
        xt[n] = math.sqrt(alpha_bar[n]) * x0[n] + math.sqrt(1 - alpha_bar[n]) * eps[n]
    return xt
