"""Submissions of adam_step(theta, g, m, v, k, rate), named by what is right or wrong in them."""

import numpy as np


def right_1(theta, g, m, v, k, rate):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    theta = theta - rate * m / (1 - 0.9**k) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    return theta, m, v


def right_2(theta, g, m, v, k, rate):
    m += (1 - 0.9) * (g - m)
    v += (1 - 0.999) * (g * g - v)
    first, second = 1 - 0.9**k, 1 - 0.999**k
    theta -= rate * np.sqrt(second) / first * m / (np.sqrt(v) + 1e-8 * np.sqrt(second))
    return [theta, m, v]


def no_correction_1(theta, g, m, v, k, rate):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return theta - rate * m / (v**0.5 + 1e-8), m, v


def no_correction_2(theta, g, m, v, k, rate):
    m += 0.1 * (g - m)
    v += 0.001 * (np.square(g) - v)
    theta -= np.divide(rate * m, 1e-8 + np.sqrt(v))
    return theta, m, v


def k_stays_1(theta, g, m, v, k, rate):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return theta - rate * (m / (1 - 0.9)) / (np.sqrt(v / (1 - 0.999)) + 1e-8), m, v


def k_stays_2(theta, g, m, v, k, rate, layer=1):
    """Its correction has the number of the layer."""
    m += 0.1 * (g - m)
    v += 0.001 * (g * g - v)
    theta -= rate * m / (1 - 0.9**layer) / (np.sqrt(v) / np.sqrt(1 - 0.999**layer) + 1e-8)
    return theta, m, v
