"""Adam and the average of the weights: the twin of `training/optimizers.py`."""

import math
from typing import NamedTuple

import numpy as np
from numba import get_num_threads

from numpy_diffusion.kernels._jit import jit
from numpy_diffusion.kernels.threads import kept, run, share

ROOT = np.float32(1.8e19)  # its square is the largest float32, or nearly


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
    """One step in place, of arrays of one length; in one loop, so that each number comes from memory once."""
    new1, new2, m_scale, v_scale, epsilon, weight_decay, rate, new_average = rule
    for c in range(parameters.shape[0]):
        m[c] += new1 * (gradient[c] - m[c])
        v[c] += new2 * (gradient[c] * gradient[c] - v[c])
        update = m[c] * m_scale / (math.sqrt(v[c] * v_scale) + epsilon) + weight_decay * parameters[c]
        parameters[c] -= rate * update
        average[c] += new_average * (parameters[c] - average[c])


class Step(NamedTuple):
    """A step, as all threads are told of it: see `step`."""

    gradient: np.ndarray
    parameters: np.ndarray
    m: np.ndarray
    v: np.ndarray
    average: np.ndarray
    rule: tuple[float, ...]


@jit
def _step(thread, threads, place):
    gradient, parameters, m, v, average, rule = kept(place)
    low, high = share(m.shape[0], thread, threads)
    adam(gradient[low:high], parameters[low:high], m[low:high], v[low:high], average[low:high], rule)


def step(parameters, gradient, m, v, average, number, rate, decay, settings):
    """Training step `number` in place, on all threads; arrays float32 [P]; settings: beta1, beta2, epsilon, decay."""
    rule = adam_rule(number, rate, decay, *settings)
    run(_step, Step(gradient, parameters, m, v, average, rule))


class Squares(NamedTuple):
    """Numbers, and for each thread how many of its own have a square that is not finite."""

    numbers: np.ndarray
    found: np.ndarray


@jit
def _squares(thread, threads, place):
    numbers, found = kept(place)
    low, high = share(numbers.shape[0], thread, threads)
    own, count = numbers[low:high], 0
    for c in range(own.shape[0]):
        count += not abs(own[c]) < ROOT
    found[thread] = count


def squares_are_finite(gradient):
    """Whether all g^2 are finite float32, and so all g."""
    found = np.zeros(get_num_threads(), np.int64)
    run(_squares, Squares(gradient, found))
    return not found.any()
