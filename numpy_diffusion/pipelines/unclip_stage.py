"""One stage of DALL-E 2 as a chain: its schedule, and how it is gone down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from numpy_diffusion import _checks
from numpy_diffusion.models.converted import as_eps, clipped
from numpy_diffusion.models.protocol import Model
from numpy_diffusion.process.predictions import PREDICTIONS, Prediction
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import VARIANCES, Variance
from numpy_diffusion.sampling.spacing import Solver, check_solver

ANCESTRAL: Final = Solver("ancestral", "linspace")


@dataclass(frozen=True, eq=False)
class Stage:
    """How the chain of a stage is gone down.

    Attributes
    ----------
    schedule : of the chain
    solver : the method, and by which steps
    steps : how many of them, unless a call says otherwise
    variance : of Algorithm 1, "beta", "beta_tilde" or "learned"; "beta" with every other method, which uses none
    clip : x_0 is kept in -clip..clip at each step, of images as they are, of the prior's embeddings as its network
        sees them, standardised; None leaves it free
    prediction : what the network predicts, "eps", "x0" or "v"; a prior predicts "x0"

    Raises
    ------
    ValueError : a field out of its range, or a variance of no use to the method

    Examples
    --------
    >>> Stage(Schedule.cosine(T=1000), steps=5).chosen().tolist()
    [1000, 750, 501, 251, 1]
    """

    schedule: Schedule
    solver: Solver = ANCESTRAL
    steps: int = 25
    variance: Variance = "beta_tilde"
    clip: float | None = 1.0
    prediction: Prediction = "eps"

    def __post_init__(self) -> None:
        _checks.instance("schedule", self.schedule, Schedule)
        check_solver(self.solver)
        self.chosen()
        _checks.choice("variance", self.variance, VARIANCES)
        _checks.choice("prediction", self.prediction, PREDICTIONS)
        if self.solver.method != "ancestral" and self.variance != "beta":
            raise ValueError(
                f"variance: expected 'beta' with method {self.solver.method!r}, which uses none, got "
                f"{self.variance!r}"
            )
        if self.clip is not None and _checks.real("clip", self.clip) <= 0.0:
            raise ValueError(f"clip: expected a number above 0, or None, got {self.clip:g}")

    def chosen(self, steps: int | None = None, name: str = "steps") -> np.ndarray:
        """So many steps of the chain, its own number unless given: int64 [steps], falling, in 1..T.

        Raises
        ------
        ValueError : a number that the solver cannot space, called by this name
        """
        least = 2 if self.solver.spacing == "linspace" else 1  # one by "linspace" would be the lowest
        n = _checks.integer(name, self.steps if steps is None else steps, least, self.schedule.T)
        return self.solver.steps(n, self.schedule)

    def options(self, steps: np.ndarray) -> dict[str, Any]:
        """The arguments of `sample` beside the model and who is drawn, for these of the chain's steps."""
        return dict(method=self.solver.method, variance=self.variance, end=self.solver.end, steps=steps)

    def within(self, model: Model, shift: np.ndarray | float = 0.0, scale: np.ndarray | float = 1.0) -> Model:
        """The model of eps of one of this prediction, with its x_0 in -clip..clip, of (x_0 - shift) / scale."""
        if self.prediction != "eps":
            model = as_eps(model, self.schedule, self.prediction)
        if self.clip is None:
            return model
        return clipped(model, self.schedule, shift - self.clip * scale, shift + self.clip * scale)
