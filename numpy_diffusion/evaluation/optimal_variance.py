"""The variance of the reverse kernel that makes the variational bound lowest (Bao et al. 2022a, 2022b)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._progress import counted
from numpy_diffusion.models.protocol import Model, check_eps, check_schedule, members
from numpy_diffusion.process.forward import q_sample
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_pairs
from numpy_diffusion.process.variances import from_error


def optimal_variance(
    model: Model,
    schedule: Schedule,
    x0: ArrayLike,
    seed: int = 0,
    *,
    steps: int | ArrayLike | None = None,
    progress: bool = True,
) -> np.ndarray:
    """The variance that makes the bound on this data lowest, for the mean that the model has.

    sigma_t^2 = beta_tilde_ts + beta_ts^2 / (alpha_ts (1 - alpha_bar_t)) E (eps - eps_hat)^2

    (Bao et al. 2022b, "Estimating the optimal covariance with imperfect mean", eq 12).  For a perfect mean
    E (eps - eps_hat)^2 = 1 - E eps_hat^2, which is their first paper's form (Analytic-DPM, eq 8).

    Parameters
    ----------
    model : eps = model(x, t)
    x0 : [N, ...] data, in its own units; each step's expectation is the mean over these samples
    seed : of the noise
    steps : the steps of the chain, as for `sample`; all unless given
    progress : show a bar on standard error, if it takes longer than a second

    Returns
    -------
    float64 [T + 1, ...] by t, for each coordinate of a sample; its mean over coordinates is the papers' isotropic
    variance.  0 at steps that the chain does not visit.

    Examples
    --------
    >>> from numpy_diffusion.oracles.gaussian_mixture import Gaussian
    >>> schedule, data = Schedule.linear(T=10), Gaussian([0.0], [[1.0]])
    >>> found = optimal_variance(data.eps(schedule), schedule, data.sample(20_000, seed=0))
    >>> bool(np.allclose(found[1:, 0], schedule.beta[1:], rtol=0.05))  # N(0, I) keeps its variance by beta
    True
    """
    check_eps(model)
    known = members(model)
    x0 = np.asarray(known.units.to_model(_checks.array("x0", x0, min_ndim=2)), np.float32)
    found = np.zeros((check_schedule(model, schedule).T + 1, *x0.shape[1:]))
    pairs = list(zip(*(ends.tolist() for ends in chosen_pairs(schedule, steps)), strict=True))
    for t, s in counted(pairs, "optimal variance", len(pairs), "steps", show=progress):
        xt, eps = q_sample(x0, t, schedule, seed)
        error = _checks.array(f"model: eps at t = {t}", known.model(xt, t), x0.shape).astype(np.float64) - eps
        found[t] = from_error(schedule, (error**2).mean(axis=0), t, s)
    return found
