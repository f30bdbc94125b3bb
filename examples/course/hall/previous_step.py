"""An ancestral step for chains that skip steps."""

import numpy as np


def step(eps_model, x, t, s, schedule, z):
    previous = t - 1
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[previous]
    alpha = now / then
    mean = (x - (1 - alpha) / np.sqrt(1 - now) * eps_model(x, t)) / np.sqrt(alpha)
    return mean + np.sqrt(1 - alpha) * z if previous > 0 else mean
