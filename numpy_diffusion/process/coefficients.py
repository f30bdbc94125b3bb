"""A chain as a table: rows of coefficients, which every sampler makes and one loop walks; see `sampling.solvers`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Coefficients(NamedTuple):
    """The rows of a chain, in the order taken: arrays [K], and b [K, 3].

    c is [K], or [K, ...] with a value for each coordinate of a sample.  `noise` is the number of the step whose z the
    row takes: that from which the method set out, before any churn.  Where `learned` is set, the network says on the
    way what stands in the place of c.
    """

    t: np.ndarray
    s: np.ndarray
    noise: np.ndarray
    p: np.ndarray
    q: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    accept: np.ndarray
    learned: np.ndarray
