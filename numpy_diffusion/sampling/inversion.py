"""The noise that DDIM takes to a sample, found by going up the chain (Dhariwal and Nichol 2021, arXiv 2105.05233,
appendix F; Song et al. 2021, section 5.4): what makes a given picture anew, and its neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.kernels import backend as backends
from numpy_diffusion.kernels import precision as precisions
from numpy_diffusion.kernels.backend import Backend, chosen
from numpy_diffusion.kernels.precision import Precision, asked
from numpy_diffusion.models.protocol import Model, check_schedule, described, members
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_pairs
from numpy_diffusion.sampling.chain import run
from numpy_diffusion.sampling.solvers import climbing


def invert(
    model: Model,
    schedule: Schedule,
    x0: ArrayLike,
    *,
    steps: int | ArrayLike | None = None,
    progress: bool = True,
    backend: Backend | None = None,
    precision: Precision | None = None,
) -> np.ndarray:
    """x_t at the highest of the steps, from which DDIM without noise comes back to x_0.

    Each step up undoes one down, with three evaluations of the model (see `solvers.climbing`): by the same steps the
    way back comes much nearer to x_0 than to what the ODE itself would have as x_t.

    Parameters
    ----------
    model : any callable eps = model(x, t), x [n, ...] float32, t an int
    x0 : [n, *shape], in the data's units
    steps : how many of the schedule to take, evenly spaced, or which; all unless given
    progress, backend, precision : as for `sample`

    Returns
    -------
    float32 [n, *shape], in the data's units

    Raises
    ------
    ValueError : an argument out of its range, or a model that returns another shape, NaN or infinity

    Examples
    --------
    >>> from numpy_diffusion.sampling.from_step import sample_from
    >>> schedule, x0 = Schedule.linear(T=1000), np.array([[0.5, -1.0]])
    >>> model = lambda x, t: np.sqrt(1.0 - schedule.alpha_bar[t]) * x  # the eps of N(0, I)
    >>> xT = invert(model, schedule, x0)
    >>> sample_from(model, schedule, xT, 1000, method="ddim").round(2).tolist()
    [[0.5, -1.0]]
    """
    check_schedule(model, schedule)
    x = _checks.array("x0", x0, min_ndim=2)
    known = described(model, x.shape[1:] if members(model).own_shape is None else None)
    x = _checks.array("x0", x, ("n", *known.shape))
    table: Coefficients = climbing(schedule, *chosen_pairs(schedule, steps))
    x, top = known.units.to_model(x).astype(np.float32), int(table.s[-1])
    with backends.backend(chosen(backend)), precisions.precision(asked(precision)):
        return run(known, x, table, schedule, 0, wanted=[top], progress=progress)[top]
