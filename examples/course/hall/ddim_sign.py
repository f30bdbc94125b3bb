"""A step of DDIM."""

import numpy as np


def step(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    x0 = (x - np.sqrt(1 - now) * eps) / np.sqrt(now)
    direction = np.sqrt(1 - then) * eps
    return np.sqrt(then) * x0 - direction
