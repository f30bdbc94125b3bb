"""How the weights move by a gradient: Adam and the average of the weights, by the definitions or their kernel.

The kernel moves a state where it lies, so that no other is needed.  What it would leave is known to be finite before:

    m and v are means of g and g^2, finite if all g^2 are
    |m| / sqrt(v) < FARTHEST, by the inequality of Cauchy and Schwarz for these means: 7.3 for Adam's usual numbers
    |theta'| < |1 - rate decay| |theta| + rate FARTHEST
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from numpy_diffusion.kernels.backend import Backend
from numpy_diffusion.models.tasks import Adam, Move, State
from numpy_diffusion.training.optimizers import adam_step, average_step

FARTHEST: Final = 8.0
ALMOST_INFINITE: Final = 1e37  # the largest float32 is 3.4e38, and what leads to a number may be somewhat larger


class Descent(NamedTuple):
    """Adam's settings, its rate and the average's decay by step, and the form that moves the weights."""

    adam: Adam
    rates: np.ndarray
    decays: np.ndarray
    backend: Backend

    def move(self, state: State, gradient: np.ndarray) -> Move:
        """The state's next move, of its arrays alone, by the gradient [P]."""
        if self.backend == "numpy":
            return self._by_definition(state, gradient)
        from numpy_diffusion.kernels import adam as kernel

        step = state.step + 1
        rate, decay = float(self.rates[step - 1]), float(self.decays[step - 1])
        reach = _reach(state.reach, rate, self.adam.weight_decay)

        def make() -> None:
            arrays = state.parameters, gradient, state.m, state.v, state.average
            kernel.step(*arrays, step, rate, decay, self.adam)
            state.reach = reach

        return Move(reach < ALMOST_INFINITE and kernel.squares_are_finite(gradient), make)

    def _by_definition(self, state: State, gradient: np.ndarray) -> Move:
        parameters, m, v, average = (values.copy() for values in (state.parameters, state.m, state.v, state.average))
        adam_step(parameters, gradient, m, v, state.step + 1, self.rates[state.step], self.adam)
        average_step(average, parameters, self.decays[state.step])
        return state.replaced(parameters, m, v, average)


def _reach(before: float, rate: float, weight_decay: float) -> float:
    """What no parameter exceeds after a step of this rate; infinity where what leads to it may be too large.

    Examples
    --------
    >>> _reach(2.0, 0.5, 0.0), _reach(2.0, 0.0, 1e38)
    (6.0, inf)
    """
    update = FARTHEST + weight_decay * before
    after = abs(1.0 - rate * weight_decay) * before + rate * FARTHEST
    return after if max(update, rate * update) < ALMOST_INFINITE else np.inf
