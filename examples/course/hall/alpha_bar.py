"""alpha_bar_t, the product of the alphas, for t = 0..T."""

import numpy as np


def alpha_bars(beta):
    alpha = 1 - beta
    alpha_bar = np.empty(len(beta))
    product = 1.0
    for t in range(len(beta)):
        alpha_bar[t] = product
        product *= alpha[t]
    return alpha_bar
