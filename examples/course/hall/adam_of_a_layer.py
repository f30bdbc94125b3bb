"""A step of Adam for the parameters of one layer; k counts the steps from 1."""

import numpy as np

LAYER = 1


def adam_step(theta, g, m, v, k, rate):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    m_hat = m / (1 - 0.9**LAYER)
    v_hat = v / (1 - 0.999**LAYER)
    return theta - rate * m_hat / (np.sqrt(v_hat) + 1e-8), m, v
