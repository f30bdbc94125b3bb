"""The variational bound, term by term and step by step (article, eqs 8-14; Ho et al. 2020, eq 5).

    -log p(x_0) <= E[-log p(x_0 | x_1)]  +  sum over t of consistency_t  +  prior

posterior form (Ho et al.; Sohl-Dickstein et al. 2015):

    consistency_t = E KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), t = 2..T
    prior = KL(q(x_T | x_0) || p(x_T))

article form:

    consistency_t = E log q(x_t | x_{t-1}) / p(x_t | x_{t+1}), t = 1..T-1
    prior = E KL(q(x_T | x_{T-1}) || p(x_T))

The article writes its consistency term as the expectation over q(x_{t-1}, x_{t+1} | x_0) of
KL(q(x_t | x_{t-1}) || p(x_t | x_{t+1})).  By the letter that KL draws x_t from q(x_t | x_{t-1}) whatever x_{t+1} is;
but x_{t+1} comes from x_t, and the bound's expectation is over the joint chain.  With an x_t that is a stranger to
x_{t+1} a perfect model would be charged about one nat a dimension and step.  So what is evaluated here is the ratio
of the two densities at the x_t of one chain x_{t-1}, x_t, x_{t+1}: its sum over t is the bound exactly.

A term of it is no KL and may be negative: its expectation is that of the posterior form's term t + 1, less
D/2 log(beta_t / beta_tilde_{t+1}).  Over t these differences add up to D/2 log((1 - alpha_bar_T) / beta_T), by which
the article's prior is larger.  Each of its terms has a variance of about D however many steps there are, where the
posterior form's fade as beta_t / (1 - alpha_bar_t) does.  Along one chain they cancel: the variance of the total may
be either form's that is larger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, assert_never, get_args

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion._progress import counted
from numpy_diffusion.evaluation.setting import (
    LOG_2PI,
    Setting,
    along_axes,
    checked,
    fixed_log_variance,
    forward_noise,
    forward_steps,
    log_step,
    predicted,
)
from numpy_diffusion.noise import STREAM_BOUND, STREAM_BOUND_CHAIN, WORD_RANGE
from numpy_diffusion.oracles.gaussian_mixture import Gaussian
from numpy_diffusion.process.reverse import error_weight, log_noise
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.variances import Variance

Form = Literal["posterior", "article"]
FORMS: tuple[Form, ...] = get_args(Form)
RECONSTRUCTION, PRIOR = 0, -1  # where these terms stand beside consistency_t, which stands at t
Terms = Iterator[tuple[int, np.ndarray]]


@dataclass(frozen=True, eq=False, repr=False)
class Bound:
    """The terms of the bound: means over samples, in nats a sample and in the data's units, with standard errors.

    Attributes
    ----------
    reconstruction, prior, total : total = reconstruction + consistency.sum() + prior
    consistency : float64 [T + 1] by t, zero where the form has no term
    bits_per_dim : total / (D log 2)
    reconstruction_error, prior_error, total_error, consistency_error : standard errors of the means over samples, NaN
        for a single one
    totals : float64 [N], the bound of each sample
    """

    reconstruction: float
    consistency: np.ndarray
    prior: float
    total: float
    bits_per_dim: float
    reconstruction_error: float
    consistency_error: np.ndarray
    prior_error: float
    total_error: float
    totals: np.ndarray

    def __repr__(self) -> str:
        total = f"{self.total:.4g} +- {self.total_error:.2g} nats, {self.bits_per_dim:.4g} bits/dim"
        parts = f"reconstruction {self.reconstruction:.4g}, consistency {self.consistency.sum():.4g}"
        return f"Bound: {total} ({parts}, prior {self.prior:.4g})"


def bound(
    model: Any,
    schedule: Schedule,
    x0: ArrayLike,
    seed: int = 0,
    *,
    variance: Variance | ArrayLike = "beta",
    prior: Gaussian | None = None,
    form: Form = "posterior",
    draws: int = 1,
    first: int = 0,
    progress: bool = True,
) -> Bound:
    """The variational bound on -log p(x_0), estimated from data.

    Parameters
    ----------
    model : eps = model(x, t); its `shift` and `scale` are undone, and their Jacobian is part of the reconstruction
    x0 : [N, ...] data in its own units; dtype uint8 is 8-bit data, whose totals are of probabilities (Ho et al.
        eq 13; a model whose shift is 0 and scale 1 sees 0..255 as -1..1)
    seed : of the noise; that of sample first + i at step t is the same for every N
    variance : of p(x_{t-1} | x_t): "beta", "beta_tilde" (with its value at t = 2 for its 0 at t = 1), "learned", or
        an array [T + 1] or [T + 1, ...] by t, positive from t = 1 on
    prior : p(x_T) in the model's units, with a regular covariance; N(0, I) unless given
    form : "posterior", or "article", whose total has the same expectation
    draws : of the noise, for each sample and step
    first : number of the first sample, to split the work
    progress : show a bar on standard error, if it takes longer than a second

    Raises
    ------
    ValueError : an argument out of its range, a variance that is not positive, a model's NaN

    Examples
    --------
    >>> schedule, data = Schedule.linear(T=10), Gaussian([0.0], [[1.0]])
    >>> found = bound(data.eps(schedule), schedule, data.sample(1000, seed=0), seed=1)
    >>> exact = gaussian_bound(data, schedule)  # its expectation
    >>> bool(abs(found.total - exact.total) < 5.0 * found.total_error)
    True
    """
    setting = checked(model, schedule, x0, variance, prior, first=first)
    draws = _checks.integer("draws", draws, 1, WORD_RANGE // (schedule.T + 1))
    terms = _terms(_checks.choice("form", form, FORMS), setting, _checks.seed(seed), draws)
    terms = counted(terms, "bound", schedule.T + 1, "terms", show=progress)
    return _collected(((place, values.reshape(-1, draws).mean(axis=1)) for place, values in terms), setting)


def gaussian_bound(
    gaussian: Gaussian, schedule: Schedule, variance: Variance | ArrayLike = "beta", prior: Gaussian | None = None
) -> Bound:
    """The exact expectation of the bound (posterior form) where the data is Gaussian and the model is its oracle.

    Along an axis of the covariance, of variance c, E (eps - eps*)^2 is alpha_bar c / (alpha_bar c + 1 - alpha_bar).

    Parameters
    ----------
    variance, prior : as for `bound`

    Returns
    -------
    a Bound without errors, whose totals are the one number [1]

    Examples
    --------
    The optimal variance of axis-aligned data and the exact prior leave nothing but the data's entropy:

    >>> from numpy_diffusion.oracles.moments import gaussian_optimal_variance
    >>> schedule, data = Schedule.linear(T=10), Gaussian([3.0], [[4.0]])
    >>> end = schedule.alpha_bar[10]
    >>> prior = Gaussian(np.sqrt(end) * data.mean, end * data.covariance + (1.0 - end) * np.eye(1))
    >>> total = gaussian_bound(data, schedule, gaussian_optimal_variance(data, schedule), prior).total
    >>> bool(np.isclose(total, 0.5 * np.log(2.0 * np.pi * np.e * 4.0), rtol=0.0, atol=1e-12))
    True
    """
    mean = _checks.instance("gaussian", gaussian, Gaussian).mean[None]
    setting = checked(gaussian.eps(schedule), schedule, mean, variance, prior)
    return _collected(_gaussian_terms(gaussian, setting), setting, exact=True)


def _terms(form: Form, setting: Setting, seed: int, draws: int) -> Terms:
    match form:
        case "posterior":
            return _posterior_terms(setting, seed, draws)
        case "article":
            return _article_terms(setting, seed, draws)
        case _:
            assert_never(form)


def _posterior_terms(setting: Setting, seed: int, draws: int) -> Terms:
    """Each term for each sample and draw [N * draws], in the order t = 1..T, prior."""
    setting = setting.repeated(draws)
    schedule, u = setting.schedule, setting.u
    for t in range(1, schedule.T + 1):
        eps = forward_noise(seed, STREAM_BOUND, draws, t, schedule, u.shape, setting.first)
        xt = np.sqrt(schedule.alpha_bar[t]) * u + np.exp(0.5 * log_noise(schedule, t)) * eps
        if t == 1:
            yield RECONSTRUCTION, -log_step(setting, u, xt, 1)
        else:
            eps_hat, log_variance = predicted(setting, xt, t)
            yield t, _consistency(schedule, t, (eps - eps_hat) ** 2, log_variance)
    yield PRIOR, _prior(setting, np.sqrt(schedule.alpha_bar[-1]) * u, log_noise(schedule, schedule.T))


def _article_terms(setting: Setting, seed: int, draws: int) -> Terms:
    """The same in the article's form: log q(x_{t-1} | x_{t-2}) - log p(x_{t-1} | x_t) is its term t - 1."""
    log_q = np.zeros(0)
    for step in forward_steps(setting, seed, STREAM_BOUND_CHAIN, draws):
        yield (RECONSTRUCTION, -step.log_p) if step.t == 1 else (step.t - 1, log_q - step.log_p)
        log_q = step.log_q
    beta = setting.schedule.beta[-1]
    yield PRIOR, _prior(setting, np.sqrt(1.0 - beta) * step.x, np.log(beta))


def _gaussian_terms(gaussian: Gaussian, setting: Setting) -> Terms:
    """The expectations [1] of `_posterior_terms` over N(m, C)."""
    schedule, values, vectors = setting.schedule, gaussian.eigenvalues[0], gaussian.eigenvectors[0]
    for t in range(1, schedule.T + 1):
        signal = schedule.alpha_bar[t] * values
        error = vectors**2 @ (signal / (signal + np.exp(log_noise(schedule, t))))
        log_variance = fixed_log_variance(setting, t)
        if t == 1:
            distance = error_weight(schedule, 1, 0) * error * np.exp(-log_variance)
            yield RECONSTRUCTION, 0.5 * np.sum(LOG_2PI + log_variance + distance, keepdims=True)
        else:
            yield t, _consistency(schedule, t, error[None], log_variance)
    end = schedule.alpha_bar[-1]
    axes = np.eye(len(values)) if setting.prior is None else setting.prior.eigenvectors[0]
    spread = end * np.einsum("ij,ik,kj->j", axes, gaussian.covariance, axes)  # of x_T's mean, along the prior's axes
    yield PRIOR, _prior(setting, np.sqrt(end) * setting.u, log_noise(schedule, schedule.T), spread)


def _consistency(schedule: Schedule, t: int, error: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), where (eps - eps_hat)^2 is `error` [N, ...]: [N]."""
    distance = error_weight(schedule, t, t - 1) * error * np.exp(-log_variance)
    return _kl(np.log(schedule.beta_tilde[t]) - log_variance, distance)


def _prior(
    setting: Setting, mean: np.ndarray, log_variance: np.ndarray | float, spread: np.ndarray | float = 0.0
) -> np.ndarray:
    """KL(N(mean, variance I) || p(x_T)), with E (mean - its own mean)^2 = spread along the prior's axes: [N]."""
    offset, variance = along_axes(setting.prior, mean)
    return _kl(log_variance - np.log(variance), (offset**2 + spread) / variance)


def _kl(log_ratio: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """KL of Gaussians of one shape of axes, 1/2 sum(r - 1 - log r + distance), r the variances' ratio: [N]."""
    terms = np.expm1(log_ratio) - log_ratio + distance  # r - 1 without its cancellation near r = 1
    return 0.5 * terms.reshape(len(terms), -1).sum(axis=1)


def _collected(terms: Terms, setting: Setting, exact: bool = False) -> Bound:
    """The means and standard errors of terms that are given for each sample [N], and their sum."""
    T, N = setting.schedule.T, len(setting.u)
    means, errors, totals = np.zeros(T + 2), np.zeros(T + 2), np.zeros(N)  # entry T + 1 is the prior's, -1
    for place, values in terms:
        means[place], errors[place] = values.mean(), _standard_error(values, exact)
        totals = totals + values
    total = float(totals.mean())
    consistency, consistency_error = means[:-1].copy(), errors[:-1].copy()
    consistency[RECONSTRUCTION] = consistency_error[RECONSTRUCTION] = 0.0
    return Bound(
        reconstruction=float(means[RECONSTRUCTION]),
        consistency=consistency,
        prior=float(means[PRIOR]),
        total=total,
        bits_per_dim=total / (setting.u[0].size * math.log(2.0)),
        reconstruction_error=float(errors[RECONSTRUCTION]),
        consistency_error=consistency_error,
        prior_error=float(errors[PRIOR]),
        total_error=_standard_error(totals, exact),
        totals=totals,
    )


def _standard_error(values: np.ndarray, exact: bool) -> float:
    if exact:
        return 0.0
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
