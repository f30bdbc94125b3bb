"""Lab 2, the posterior q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eqs 6-7), and the KL of two Gaussians."""

from __future__ import annotations

from typing import Any

import numpy as np

from numpy_diffusion.evaluation.exercise import Case, Exercise, Function, Slip, Sum
from numpy_diffusion.process.schedules import Schedule

Pair = tuple[np.ndarray, np.ndarray]


def _posterior(x0: np.ndarray, xt: np.ndarray, t: int, beta: np.ndarray, alpha_bar: np.ndarray) -> Pair:
    now, before = alpha_bar[t], alpha_bar[t - 1]
    on_x0 = np.sqrt(before) * beta[t] / (1.0 - now)
    on_xt = np.sqrt(1.0 - beta[t]) * (1.0 - before) / (1.0 - now)
    return on_x0 * x0 + on_xt * xt, beta[t] * (1.0 - before) / (1.0 - now)


def _mean(x0: Any, xt: Any, t: int, beta: Any, ab: Any, on_x0: Any = 1.0, on_xt: Any = 1.0) -> Pair:
    """The posterior with its two factors of the mean multiplied."""
    return _posterior(on_x0 * x0, on_xt * xt, t, beta, ab)


def _swapped(x0: Any, xt: Any, t: int, beta: Any, ab: Any) -> Pair:
    return _posterior(xt, x0, t, beta, ab)[0], _posterior(x0, xt, t, beta, ab)[1]


def _variance(change: Function) -> Function:
    """The posterior whose variance is change(variance, beta_t, alpha_bar_t, alpha_bar_{t-1})."""

    def changed(x0: Any, xt: Any, t: int, beta: Any, ab: Any) -> Pair:
        mean, variance = _posterior(x0, xt, t, beta, ab)
        return mean, change(variance, beta[t], ab[t], ab[t - 1])

    return changed


def _precisions(x0: Any, xt: Any, t: int, beta: Any, ab: Any) -> Pair:
    mean, variance = _posterior(x0, xt, t, beta, ab)
    return (mean, variance) if t > 1 else (np.nan * mean, variance)


def _cases() -> list[Case]:
    schedule, rng = Schedule.linear(1000), np.random.default_rng(0)
    x0, xt = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    times = {"t = 1, where x_0 is known": 1, "t = 2": 2, "t = 400": 400, "t = 1000": 1000}
    return [Case(name, (x0, xt, t, schedule.beta.copy(), schedule.alpha_bar.copy())) for name, t in times.items()]


POSTERIOR = Exercise(
    "posterior(x0, xt, t, beta, alpha_bar)",
    ("mean", "variance"),
    _posterior,
    (
        Slip("swapped", "The factors of x_0 and x_t in the mean are exchanged: at t = 1 the mean is x_0.", _swapped),
        Slip("beta_for_beta_tilde", "The variance is beta_t: that of the posterior is smaller, "
             "(1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t, and 0 at t = 1.",
             _variance(lambda variance, beta, now, before: beta)),
        Slip("deviation_for_variance", "The second answer is the standard deviation: the variance is asked for.",
             _variance(lambda variance, beta, now, before: np.sqrt(variance))),
        Slip("upside_down", "The fraction in the variance stands on its head: (1 - alpha_bar_{t-1}) is above.",
             _variance(lambda variance, beta, now, before: beta * (1.0 - now) / (1.0 - before))),
        Slip("no_root_of_alpha", "In the factor of x_t stands alpha_t: it is sqrt(alpha_t).",
             lambda x0, xt, t, beta, ab: _mean(x0, xt, t, beta, ab, on_xt=np.sqrt(1.0 - beta[t]))),
        Slip("no_root_of_alpha_bar", "In the factor of x_0 stands alpha_bar_{t-1}: it is its square root.",
             lambda x0, xt, t, beta, ab: _mean(x0, xt, t, beta, ab, on_x0=np.sqrt(ab[t - 1]))),
        Slip("alpha_bar_t", "In the factor of x_0 stands sqrt(alpha_bar_t): it is that of t - 1.",
             lambda x0, xt, t, beta, ab: _mean(x0, xt, t, beta, ab, on_x0=np.sqrt(ab[t] / ab[t - 1]))),
        Slip("alpha_bar_for_alpha", "In the factor of x_t stands sqrt(alpha_bar_t): it is that of one step, "
             "sqrt(alpha_t) = sqrt(1 - beta_t).",
             lambda x0, xt, t, beta, ab: _mean(x0, xt, t, beta, ab, on_xt=np.sqrt(ab[t - 1]))),
        Slip("late", "alpha_bar_{t-1} is taken at t: the step leads to t - 1.",
             lambda x0, xt, t, beta, ab: (
                 (np.sqrt(ab[t]) * beta[t] * x0 / (1.0 - ab[t]) + np.sqrt(1.0 - beta[t]) * xt), beta[t])),
        Slip("precisions", "At t = 1 this divides by 1 - alpha_bar_0, which is 0: multiply the fractions "
             "out.", _precisions),
    ),
    _cases,
    lambda x0, xt, t, beta, ab: [Sum(f"t = {t}", ..., {"x_0": x0, "x_t": xt})],
)  # fmt: skip


# --- the divergence ----------------------------------------------------------------------------------------------


def _kl(mean_q: np.ndarray, variance_q: np.ndarray, mean_p: np.ndarray, variance_p: np.ndarray) -> Any:
    return _terms(mean_q, variance_q, mean_p, variance_p).sum(axis=1)


def _terms(mean_q: Any, variance_q: Any, mean_p: Any, variance_p: Any, one: float = 1.0) -> Any:
    """KL(q || p) of each coordinate [N, D]."""
    distance = (mean_q - mean_p) ** 2 / variance_p
    return 0.5 * (np.log(variance_p / variance_q) + variance_q / variance_p + distance - one)


def _kl_cases() -> list[Case]:
    rng = np.random.default_rng(0)
    m, n = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    v, w = np.exp(rng.normal(size=(4, 3))), np.exp(rng.normal(size=(4, 3)))
    return [
        Case("the same means", (m, v, m.copy(), w)),
        Case("the same variances", (m, v, n, v.copy())),
        Case("all differs", (m, v, n, w)),
    ]


KL = Exercise(
    "kl(mean_q, variance_q, mean_p, variance_p)",
    ("nats",),
    _kl,
    (
        Slip("reversed", "This is KL(p || q): the bound has KL(q || p), and the two differ.",
             lambda mq, vq, mp, vp: _kl(mp, vp, mq, vq)),
        Slip("no_half", "The factor 1/2 is missing.", lambda *given: 2.0 * _kl(*given)),
        Slip("bits", "The answer is in bits: nats have the natural logarithm.",
             lambda *given: _kl(*given) / np.log(2.0)),
        Slip("mean_of_coordinates", "The mean over the coordinates is taken: the KL of independent coordinates is "
             "their sum.", lambda *given: _terms(*given).mean(axis=1)),
        Slip("over_samples", "The sum is over the samples: it is over the coordinates, axis 1, and leaves one "
             "number a sample.", lambda *given: _terms(*given).sum(axis=0)),
        Slip("no_one", "The -1 is missing: two equal Gaussians have a KL of 0.",
             lambda mq, vq, mp, vp: _terms(mq, vq, mp, vp, one=0.0).sum(axis=1)),
        Slip("ratio_upside_down", "The ratio in the logarithm stands on its head: log(variance_p / variance_q).",
             lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp) + np.log(vq / vp).sum(axis=1)),
        Slip("deviations", "The given variances are squared once more, as if they were standard deviations.",
             lambda mq, vq, mp, vp: _kl(mq, vq**2, mp, vp**2)),
        Slip("root_in_logarithm", "The logarithm is of the standard deviations and halved once more: either "
             "log(sigma_p / sigma_q), or half that of the variances.",
             lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp) - 0.25 * np.log(vp / vq).sum(axis=1)),
        Slip("distance_over_q", "The squared distance of the means is divided by variance_q: it is by variance_p.",
             lambda mq, vq, mp, vp: _kl(mq, vq, mp, vp) + (0.5 * (mq - mp) ** 2 * (1.0 / vq - 1.0 / vp)).sum(axis=1)),
    ),
    _kl_cases,
)  # fmt: skip
