"""The loss of a batch."""

import numpy as np


def loss(eps_model, x0, t, eps, alpha_bar):
    ab = alpha_bar[t][:, None]
    xt = np.sqrt(ab) * x0 + np.sqrt(1 - ab) * eps
    when = np.arange(len(x0))
    return np.mean((eps - eps_model(xt, when)) ** 2)
