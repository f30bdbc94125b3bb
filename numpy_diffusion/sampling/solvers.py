"""Every sampler as a table: rows of coefficients, one evaluation of the model each.

The state is a base x, the point y at which the model is asked, and the last three predictions d0, d1, d2.  A row does

    d0 = p y + q eps(y, t)                    what the method reckons with: eps itself, or the x_0 that eps stands for
    y  = a x + b0 d0 + b1 d1 + b2 d2 + c z    where it lands, at step s
    x  = y                                    if it accepts; if not, y was a trial point
    d1, d2 = d0, d1

and `samplers` is one loop over such rows.  Below, each method is one function (schedule, t, s, its own option) of the
steps t [K] that it sets out from and the steps s [K] that it goes to, s[k] = t[k + 1]; a whole chain ends at s = 0.
Where it is to end at a noisy s > 0, its last step is like any other: it has its noise, and its full order.

The probability-flow ODE is dx' = eps dsigma in x' = x / sqrt(alpha_bar) and sigma = sqrt((1 - alpha_bar) / alpha_bar)
(Song et al. 2021, eq 14; Karras et al. 2022, eq 1).  lambda = -log sigma is half the log-SNR.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, assert_never, get_args

import numpy as np
from numpy.typing import ArrayLike

from numpy_diffusion import _checks
from numpy_diffusion.process import variances
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.elementwise import each
from numpy_diffusion.process.reverse import reverse_variance, skipped
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.process.steps import chosen_pairs, nearest_steps
from numpy_diffusion.process.variances import VARIANCES, Variance

Method = Literal["ancestral", "ddim", "euler", "heun", "dpm++2m", "dpm++3m"]
METHODS: tuple[Method, ...] = get_args(Method)
OPTIONS: Final[dict[str, tuple[Method, ...]]] = {  # and the methods that use them
    "variance": ("ancestral",),
    "eta": ("ddim",),
    "churn": ("euler", "heun"),
}


def coefficients(
    schedule: Schedule,
    method: Method = "ancestral",
    *,
    steps: int | ArrayLike | None = None,
    variance: Variance | ArrayLike = "beta",
    eta: float = 0.0,
    churn: float = 0.0,
    end: int = 0,
) -> Coefficients:
    """The table of a chain, from the highest of the steps down to `end`; arguments as for `samplers.sample`.

    With variance "learned" the rows with noise are `learned`: the network says how much on the way.

    Examples
    --------
    >>> coefficients(Schedule.linear(T=1000), "heun", steps=2).t.tolist()  # the last step is Euler's
    [1000, 500, 500]
    """
    _checks.choice("method", method, METHODS)
    eta, churn = _checks.real("eta", eta, 0.0, 1.0), _checks.real("churn", churn, 0.0)
    t, s = chosen_pairs(schedule, steps, end)
    sigma = _checked_variance(schedule, variance)
    _check_used("variance", sigma, "beta", method)
    _check_used("eta", eta, 0.0, method)
    _check_used("churn", churn, 0.0, method)
    match method:
        case "ancestral":
            return ancestral(schedule, t, s, sigma)
        case "ddim":
            return ddim(schedule, t, s, eta)
        case "euler":
            return euler(schedule, t, s, churn)
        case "heun":
            return heun(schedule, t, s, churn)
        case "dpm++2m":
            return dpm_2m(schedule, t, s)
        case "dpm++3m":
            return dpm_3m(schedule, t, s)
        case _:
            assert_never(method)


def _checked_variance(schedule: Schedule, variance: Variance | ArrayLike) -> Variance | np.ndarray:
    """A name, or an array by t for samples of whatever shape it has."""
    if isinstance(variance, str):
        return _checks.choice("variance", variance, VARIANCES)
    given = _checks.array("variance", variance, None, np.float64, min_ndim=1)
    return variances.checked(given, schedule, given.shape[1:])


def _check_used(name: str, value: Any, default: str | float, method: Method) -> None:
    """ValueError where an option is given to a method that would pass over it."""
    if method in OPTIONS[name] or (not isinstance(value, np.ndarray) and value == default):
        return
    got = "an array" if isinstance(value, np.ndarray) else repr(value)
    raise ValueError(f"{name}: expected {default!r} with method {method!r}, which does not use it, got {got}")


# The methods -----------------------------------------------------------------------------------------------------


def ancestral(
    schedule: Schedule, t: np.ndarray, s: np.ndarray, variance: Variance | np.ndarray = "beta"
) -> Coefficients:
    """Algorithm 1 (Ho et al. 2020, Algorithm 2): mu of their eq 11, and sigma_t z.

    A named variance adds no noise at s = 0, as the algorithm is printed.  An array [T + 1, ...] counts there too: the
    reverse kernel of data that has a density ends with noise.
    """
    alpha, beta = skipped(schedule, t, s)
    a = 1.0 / np.sqrt(alpha)
    b = -a * beta / np.sqrt(1.0 - schedule.alpha_bar[t])
    if isinstance(variance, np.ndarray):
        return _of_eps(t, s, a, b, np.sqrt(variance[t]))
    match variance:
        case "learned":
            return _of_eps(t, s, a, b, np.zeros(len(t)))._replace(learned=s > 0)
        case "beta" | "beta_tilde":
            return _of_eps(t, s, a, b, np.where(s > 0, np.sqrt(reverse_variance(schedule, t, variance, s)), 0.0))
        case _:
            assert_never(variance)


def ddim(schedule: Schedule, t: np.ndarray, s: np.ndarray, eta: float = 0.0) -> Coefficients:
    """sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma z (Song et al. 2021, eq 12).

    x0 is that of eps, and sigma = eta sqrt(beta_tilde_ts) (their eq 16).
    """
    alpha, _ = skipped(schedule, t, s)
    alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    a = 1.0 / np.sqrt(alpha)
    c = eta * np.sqrt(reverse_variance(schedule, t, "beta_tilde", s))
    b = np.sqrt(np.maximum(1.0 - alpha_bar_s - c**2, 0.0)) - a * np.sqrt(1.0 - alpha_bar_t)
    return _of_eps(t, s, a, b, c)


def climbing(schedule: Schedule, t: np.ndarray, s: np.ndarray) -> Coefficients:
    """DDIM's steps without noise the other way, from each s up to its t, beginning at the lowest.

    x_t is where the step down from it, whose eps is that at x_t itself, arrives at x_s: an equation that is solved by
    putting in.  First eps is that at x_s, or at step 0, of which a model knows nothing, that at the lowest t; then
    twice that at the x_t found so far.
    """
    above, below = t[::-1], s[::-1]
    a = np.sqrt(schedule.alpha_bar[above] / schedule.alpha_bar[below])
    b = np.sqrt(1.0 - schedule.alpha_bar[above]) - a * np.sqrt(1.0 - schedule.alpha_bar[below])
    asked = np.stack([np.where(below > 0, below, above), above, above], axis=1).ravel()
    above, a, b = (np.repeat(values, 3) for values in (above, a, b))
    accept = np.arange(len(above)) % 3 == 2
    return _of_eps(asked, above, a, b, np.zeros(len(above)))._replace(accept=accept)


def euler(schedule: Schedule, t: np.ndarray, s: np.ndarray, churn: float = 0.0) -> Coefficients:
    """Euler's x'_s = x'_t + (sigma_s - sigma_t) eps (Karras et al. 2022, Algorithm 2 without its lines 9-11).

    That is DDIM with eta = 0, number for number; what is Euler's own is the churn.
    """
    begin = _churned(schedule, t, churn)
    return _risen(schedule, ddim(schedule, begin, s), t, np.append(begin[1:], s[-1]))


def heun(schedule: Schedule, t: np.ndarray, s: np.ndarray, churn: float = 0.0) -> Coefficients:
    """Heun's method, the trapezium of the slopes at both ends (Karras et al. 2022, Algorithms 1 and 2).

    Two evaluations a step.  At s = 0 there is no slope, and the step is Euler's, as theirs is.
    """
    begin = _churned(schedule, t, churn)
    trial = ddim(schedule, begin, s)
    half = 0.5 * trial.b[:, 0]
    b = np.stack([half, half, 0.0 * half], axis=1)  # d0 is eps at the trial point, d1 eps at the base
    corrected = _risen(schedule, trial._replace(t=s, b=b), t, np.append(begin[1:], s[-1]))
    trial = trial._replace(noise=t, accept=s == 0)  # Euler's step to 0 is accepted; its correction is dropped below
    # Row by row in turns: the first trial, its correction, the second trial, its correction, ...
    pairs = zip(trial, corrected, strict=True)
    rows = Coefficients(*(np.stack(pair, axis=1).reshape(-1, *pair[0].shape[1:]) for pair in pairs))
    return Coefficients(*(column[rows.t > 0] for column in rows))


def dpm_2m(schedule: Schedule, t: np.ndarray, s: np.ndarray) -> Coefficients:
    """DPM-Solver++(2M): two-step, in x_0 (Lu et al. 2022, arXiv 2211.01095, Algorithm 2).

    x_s = sigma_s / sigma_t x_t + sqrt(alpha_bar_s) (1 - exp(-h)) ((1 + 1 / 2r) d0 - 1 / 2r d1), where h is
    lambda_s - lambda_t, r the last h over this one, and sigma their sqrt(1 - alpha_bar).  Of first order in the first
    step and in that to s = 0, where lambda is infinite.
    """
    h, (psi1, _, _) = _log_snr_step(schedule, t, s)
    last = np.append(np.inf, h[:-1])  # infinite before the first step, so that d1 has no weight in it
    more = np.where(s > 0, h, 0.0) / (2.0 * last)  # 1 / 2r
    b = np.stack([psi1 * (1.0 + more), -psi1 * more, np.zeros(len(t))], axis=1)
    return _of_x0(schedule, t, s, b)


def dpm_3m(schedule: Schedule, t: np.ndarray, s: np.ndarray) -> Coefficients:
    """DPM-Solver++(3M): three-step, in x_0 (Lu et al. 2022, the exact solution of their Proposition 4.1).

    x_0 is taken for the parabola in lambda through the last three predictions, and the integral over it is exact.
    (Code in wide use takes half of the parabola's square term, and is of order 2.)  The first step is a trapezium of
    two evaluations, and the next two lay a line through two predictions: each is off by h^3, once, so the whole is of
    order 3.  The step to s = 0 is of first order.
    """
    h, (psi1, psi2, psi3) = _log_snr_step(schedule, t, s)
    number, finite = np.arange(len(t)), np.where(s > 0, h, 1.0)
    # The last step of lambda and the one before it, over this one.  Where there was none, any number will do: the
    # weights that it enters are 0 there.
    r0, r1 = (np.append(np.ones(back), h[: len(h) - back])[: len(h)] / finite for back in (1, 2))
    parabola = np.where((number >= 3) & (s > 0), (psi2 * r0 + psi3) / (r0 + r1), 0.0)
    line = np.where((number >= 1) & (s > 0), psi2 / r0, 0.0) + parabola / r0
    b = np.stack([psi1 + line, -line - parabola / r1, parabola / r1], axis=1)
    # In the second step the prediction at the base of the first is d2: d1 is that at its trial point.
    b[1:2] = b[1:2, [0, 2, 1]]
    rows = _of_x0(schedule, t, s, b)
    if s[0] == 0:
        return rows
    trapezium = np.array([[psi2[0], psi1[0] - psi2[0], 0.0]])  # d0 is x_0 at the trial point, d1 x_0 at the base
    corrected = _of_x0(schedule, t[:1], s[:1], trapezium, at=s[:1])
    rows.accept[0] = False
    return Coefficients(*(np.insert(one, 1, two[0], axis=0) for one, two in zip(rows, corrected, strict=True)))


# Parts of the tables ---------------------------------------------------------------------------------------------


def _of_eps(t: np.ndarray, s: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Coefficients:
    """Rows x_s = a x_t + b eps + c z."""
    none, one = np.zeros(len(t)), np.ones(len(t))
    return Coefficients(t, s, t, none, one, a, np.stack([b, none, none], axis=1), c, one > 0.0, one < 0.0)


def _of_x0(
    schedule: Schedule, t: np.ndarray, s: np.ndarray, b: np.ndarray, at: np.ndarray | None = None
) -> Coefficients:
    """Rows x_s = sigma_s / sigma_t x_t + sqrt(alpha_bar_s) b x_0, the model asked at step `at`, t unless given."""
    at = t if at is None else at
    signal, sigma = np.sqrt(schedule.alpha_bar), np.sqrt(1.0 - schedule.alpha_bar)
    p, q, none = 1.0 / signal[at], -sigma[at] / signal[at], np.zeros(len(t))
    return Coefficients(at, s, t, p, q, sigma[s] / sigma[t], signal[s, None] * b, none, none == 0.0, none > 0.0)


def _log_snr_step(schedule: Schedule, t: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """h = lambda_s - lambda_t, and psi_j = int_0^h exp(u - h) (u / h)^(j - 1) du for j = 1, 2, 3: [K] each.

    By parts, psi_{j + 1} = 1 - j psi_j / h.  (Lu et al. write phi_1 = -psi_1, phi_2 = psi_2 and phi_3 = -psi_3 / 2.)
    At s = 0 h is infinite and each psi is 1.
    """
    h = 0.5 * (schedule.log_snr[s] - schedule.log_snr[t])
    psi = [-each(math.expm1, -h)]
    for j in (1, 2):
        psi.append(1.0 - j * psi[-1] / h)
    return h, psi


def _churned(schedule: Schedule, t: np.ndarray, churn: float) -> np.ndarray:
    """Where each step begins after the rise to (1 + gamma) sigma (Karras et al. 2022, Algorithm 2, lines 4-6): [K].

    gamma = min(S_churn / N, sqrt(2) - 1), and the step nearest to (1 + gamma) sigma is taken.  The rise belongs to
    the row before, which the first step does not have; and no step is above T.
    """
    if churn == 0.0:
        return t
    gamma = min(churn / len(t), np.sqrt(2.0) - 1.0)
    risen = np.maximum(nearest_steps(schedule, schedule.log_snr[t] - 2.0 * np.log1p(gamma)), t)
    return np.append(t[:1], risen[1:])


def _risen(schedule: Schedule, rows: Coefficients, noise: np.ndarray, begin: np.ndarray) -> Coefficients:
    """Rows without noise that are followed by the churn: from s up to the noisier `begin`, by q(x_begin | x_s).

    That is x_begin = sqrt(kept) x_s + sqrt(1 - kept) z, so that each row stays one row: its factors are multiplied by
    the root, and z has what was 0.
    """
    kept = schedule.alpha_bar[begin] / schedule.alpha_bar[rows.s]
    root = np.sqrt(kept)
    return rows._replace(s=begin, noise=noise, a=root * rows.a, b=root[:, None] * rows.b, c=np.sqrt(1.0 - kept))
