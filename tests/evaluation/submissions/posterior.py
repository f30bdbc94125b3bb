"""Submissions of posterior(x0, xt, t, beta, alpha_bar), named by what is right or wrong in them."""

import numpy as np


def right_1(x0, xt, t, beta, alpha_bar):
    a, b = alpha_bar[t - 1], 1 - alpha_bar[t]
    mean = np.sqrt(a) * beta[t] / b * x0 + np.sqrt(1 - beta[t]) * (1 - a) / b * xt
    return mean, (1 - a) / b * beta[t]


def right_2(x0, xt, t, beta, alpha_bar):
    """By Bayes' rule: the precisions of x_{t-1} by x_t and by x_0 add up; at t = 1 the second is infinite."""
    if t == 1:
        return x0, 0.0
    likelihood, prior = (1 - beta[t]) / beta[t], 1 / (1 - alpha_bar[t - 1])
    variance = 1 / (likelihood + prior)
    return variance * (likelihood * xt / np.sqrt(1 - beta[t]) + prior * np.sqrt(alpha_bar[t - 1]) * x0), variance


def beta_for_beta_tilde_1(x0, xt, t, beta, alpha_bar):
    mean, _ = right_1(x0, xt, t, beta, alpha_bar)
    return mean, beta[t]


def beta_for_beta_tilde_2(x0, xt, t, beta, alpha_bar):
    a = 1 - beta[t]
    mean = (np.sqrt(alpha_bar[t - 1]) * (1 - a) * x0 + np.sqrt(a) * (1 - alpha_bar[t - 1]) * xt) / (1 - alpha_bar[t])
    return mean, 1 - a
