"""The linear schedule: beta_t for t = 0..T."""

import numpy as np


def betas(T=50):
    beta_1, beta_T = 1e-4, 0.02
    beta = np.linspace(beta_1, beta_T, T)
    return np.append(0.0, beta)
