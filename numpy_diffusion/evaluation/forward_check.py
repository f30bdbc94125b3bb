"""Checks for a forward chain that was written elsewhere: its schedule, and its jump from x_0 to x_t."""

from __future__ import annotations

from typing import Literal, get_args

from numpy_diffusion import _checks
from numpy_diffusion.evaluation.exercise import TOLERANCE, Function, Report, check
from numpy_diffusion.evaluation.slips.chain import Q_SAMPLE, schedule

Name = Literal["linear", "quadratic", "sigmoid", "cosine"]
NAMES: tuple[Name, ...] = get_args(Name)


def check_forward(q_sample: Function, *, tolerance: float = TOLERANCE) -> Report:
    """Whether a function jumps from x_0 to x_t (Ho et al. 2020, eq 4), and which known slip it has if it does not.

    Parameters
    ----------
    q_sample : `q_sample(x0, t, eps, alpha_bar)` -> x_t [N, 2], from x_0 and eps [N, 2], a step of each sample t [N],
        and alpha_bar [T + 1] indexed by t itself
    tolerance : the largest error, as a share of the largest number

    Returns
    -------
    a `Report`: print it; its `right` is True or False, its `sentence` names the slip

    Raises
    ------
    ValueError : something that is no function

    Examples
    --------
    >>> import numpy as np
    >>> def q_sample(x0, t, eps, alpha_bar):
    ...     a = alpha_bar[t][:, None]
    ...     return np.sqrt(a) * x0 + (1 - a) * eps
    >>> report = check_forward(q_sample)
    >>> report.right, report.slip
    (False, 'variance_for_deviation')
    """
    return check(Q_SAMPLE, q_sample, tolerance)


def check_schedule(betas: Function, name: Name = "linear", *, tolerance: float = TOLERANCE) -> Report:
    """Whether a function gives the betas of a schedule at any T, and which known slip it has if it does not.

    Parameters
    ----------
    betas : `betas(T)` -> beta [T + 1], indexed by t itself, with beta[0] = 0; as `Schedule.linear(T).beta` and the
        others, whose ends are multiplied by 1000 / T and are at most 0.999
    name : "linear", "quadratic", "sigmoid" or "cosine"
    tolerance, result and errors as for `check_forward`

    Examples
    --------
    >>> import numpy as np
    >>> check_schedule(lambda T: np.append(0.0, np.linspace(1e-4, 0.02, T))).slip
    'unscaled'
    """
    return check(schedule(_checks.choice("name", name, NAMES)), betas, tolerance)
