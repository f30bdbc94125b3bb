"""An ancestral step whose variance lies between two others; a network says where, and here it says half way."""

import numpy as np

FRACTION = 0.5


def step(eps_model, x, t, s, schedule, z):
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    alpha = now / then
    mean = (x - (1 - alpha) / np.sqrt(1 - now) * eps_model(x, t)) / np.sqrt(alpha)
    high = 1 - alpha
    low = high * (1 - then) / (1 - now)
    variance = FRACTION * high + (1 - FRACTION) * low
    return mean + np.sqrt(variance) * z if s > 0 else mean
