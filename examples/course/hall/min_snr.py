"""Weights of the loss, min(SNR, 5) / SNR, for a schedule that ends in pure noise."""

import numpy as np


def weights(alpha_bar):
    snr = alpha_bar / (1 - alpha_bar)
    return np.minimum(snr, 5) / snr
