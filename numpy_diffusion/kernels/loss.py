"""The loss of one number: the twin of `losses.variance_loss`, for the kernels that train."""

import math

import numpy as np

from numpy_diffusion.kernels._jit import jit


@jit
def bound_term(row, head, error):
    """A term of the bound and its slope by the variance's head: `losses.variance_loss`, in its table's columns."""
    constant, tilde, on_error, low, span, weight = row[0], row[1], row[2], row[3], row[4], row[5]
    log_variance = low + span * np.float32(0.5) * (head + np.float32(1))
    ratio = (tilde + on_error * error * error) * np.float32(math.exp(-log_variance))
    term = weight * np.float32(0.5) * (constant + log_variance + ratio)
    return term, weight * np.float32(0.25) * span * (np.float32(1) - ratio)
