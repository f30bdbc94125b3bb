"""A chain as a table: rows of coefficients, which every sampler makes and one loop walks; see `sampling.solvers`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Coefficients(NamedTuple):
    """The K rows of a chain, in the order taken; `sampling.solvers` has the formula of a row."""

    t: np.ndarray  # int [K], the step at which the model is asked
    s: np.ndarray  # int [K], the step at which the row arrives
    noise: np.ndarray  # int [K], the step whose z it takes: that from which the method set out, before any churn
    p: np.ndarray  # [K], of the point, in the prediction
    q: np.ndarray  # [K], of eps, in the prediction
    a: np.ndarray  # [K], of the base
    b: np.ndarray  # [K, 3], of the last three predictions, the newest first
    c: np.ndarray  # [K], or [K, ...] with a value for each coordinate of a sample: of the noise z
    accept: np.ndarray  # bool [K], whether the row ends a step; if not, it ends at a trial point
    learned: np.ndarray  # bool [K], whether c is left open, for the network to say on the way

    def __repr__(self) -> str:
        return f"Coefficients: {len(self.t):,} rows, from t = {self.t[0]} to {self.s[-1]}"
