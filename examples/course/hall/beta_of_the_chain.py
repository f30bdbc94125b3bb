"""An ancestral step for chains that skip steps."""

import numpy as np


def step(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    alpha = now / then
    mean = (x - (1 - alpha) / np.sqrt(1 - now) * eps_model(x, t)) / np.sqrt(alpha)
    sigma = np.sqrt(schedule.beta[t])
    return mean + sigma * z if s > 0 else mean
