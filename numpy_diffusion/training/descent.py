"""How the weights move by a gradient: Adam and the average of the weights, by the definitions or their kernel."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.tasks import Adam, Move, State
from numpy_diffusion.training.optimizers import adam_step, average_step


class Descent(NamedTuple):
    """Adam's settings, its rate and the average's decay by step, and the form that moves the weights."""

    adam: Adam
    rates: np.ndarray
    decays: np.ndarray
    backend: Backend

    def move(self, state: State, gradient: np.ndarray) -> Move:
        """The state's next move by the gradient [P]."""
        step, rate, decay = state.step + 1, self.rates[state.step], self.decays[state.step]
        if self.backend == "numpy":
            parameters, m, v, average = (a.copy() for a in (state.parameters, state.m, state.v, state.average))
            adam_step(parameters, gradient, m, v, step, rate, self.adam)
            average_step(average, parameters, decay)
            return state.replaced(parameters, m, v, average)
        from numpy_diffusion.kernels import adam as kernel

        arrays = state.parameters, gradient, state.m, state.v, state.average
        make = partial(kernel.step, *arrays, step, rate, decay, self.adam)
        return state.in_place(make, kernel.squares_are_finite(gradient), float(rate), self.adam)
