"""Submissions of ddim(eps_model, x, t, s, schedule, z), named by what is right or wrong in them."""

import numpy as np


def right_1(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    x0 = (x - np.sqrt(1 - now) * eps) / np.sqrt(now)
    return np.sqrt(then) * x0 + np.sqrt(1 - then) * eps


def right_2(eps_model, x, t, s, schedule, z):
    """An Euler step of the ODE in x / sqrt(alpha_bar) and sigma."""
    sigma = np.sqrt(1 / schedule.alpha_bar - 1)
    x = x / np.sqrt(schedule.alpha_bar[t]) + (sigma[s] - sigma[t]) * eps_model(x, t)
    return x * np.sqrt(schedule.alpha_bar[s])


def sign_1(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    x0 = (x - np.sqrt(1 - now) * eps) / np.sqrt(now)
    return np.sqrt(then) * x0 - np.sqrt(1 - then) * eps


def sign_2(eps_model, x, t, s, schedule, z):
    sigma = np.sqrt(1 / schedule.alpha_bar - 1)
    x = x / np.sqrt(schedule.alpha_bar[t]) - (sigma[s] + sigma[t]) * eps_model(x, t)
    return x * np.sqrt(schedule.alpha_bar[s])
