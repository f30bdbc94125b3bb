"""Adam and the average of the weights: the twin of `training/optimizers.py`."""

import math

import numpy as np
from numba import get_num_threads, prange

from numpy_diffusion.kernels._jit import jit, parallel_jit


@jit
def adam_rule(step, rate, decay, beta1, beta2, epsilon, weight_decay):
    """The numbers of a step as `adam` takes them, float32."""
    return (
        np.float32(1.0 - beta1),
        np.float32(1.0 - beta2),
        np.float32(1.0 / (1.0 - beta1**step)),
        np.float32(1.0 / (1.0 - beta2**step)),
        np.float32(epsilon),
        np.float32(weight_decay),
        np.float32(rate),
        np.float32(1.0 - decay),
    )


@jit
def adam(gradient, parameters, m, v, average, rule):
    """One step in place, of arrays of one length.

    Two loops, because LLVM gives up where it must tell more arrays apart than a few.
    """
    new1, new2, m_scale, v_scale, epsilon, weight_decay, rate, new_average = rule
    for c in range(parameters.shape[0]):
        m[c] += new1 * (gradient[c] - m[c])
        v[c] += new2 * (gradient[c] * gradient[c] - v[c])
    for c in range(parameters.shape[0]):
        update = m[c] * m_scale / (math.sqrt(v[c] * v_scale) + epsilon) + weight_decay * parameters[c]
        parameters[c] -= rate * update
        average[c] += new_average * (parameters[c] - average[c])


@parallel_jit
def _shared(workers, gradient, parameters, m, v, average, rule):
    for worker in prange(workers):
        low, high = worker * m.shape[0] // workers, (worker + 1) * m.shape[0] // workers
        adam(gradient[low:high], parameters[low:high], m[low:high], v[low:high], average[low:high], rule)


def step(parameters, gradient, m, v, average, number, rate, decay, settings):
    """Training step `number` in place, on all threads; arrays float32 [P]; settings: beta1, beta2, epsilon, decay."""
    rule = adam_rule(number, rate, decay, *settings)
    _shared(get_num_threads(), gradient, parameters, m, v, average, rule)
