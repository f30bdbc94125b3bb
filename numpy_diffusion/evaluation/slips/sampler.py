"""Lab 5, samplers: what goes wrong in one step from x_t to x_s, of DDIM and of the ancestral chain.

Several of these shipped in libraries that many use; examples/course/hall.md tells of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from numpy_diffusion.evaluation.exercise import Slip

# --- right steps, term by term, so that one term can be another ---------------------------------------------------


def ddim(
    eps_model: Any,
    x: Any,
    t: int,
    s: int,
    schedule: Any,
    z: Any,
    *,
    sign: float = 1.0,
    at: Any = None,
    root: Any = np.sqrt,
) -> Any:
    """Song et al. 2021, eq 12; `at` is the step whose noise the direction has, s unless given."""
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    x0 = (x - root(1.0 - now) * eps) / np.sqrt(now)
    left = then if at is None else schedule.alpha_bar[at]
    return np.sqrt(then) * x0 + sign * root(1.0 - left) * eps


def ancestral(
    eps_model: Any,
    x: Any,
    t: int,
    s: int,
    schedule: Any,
    z: Any,
    *,
    v: float = 1.0,
    sigma: Callable[..., Any] | None = None,
    on_eps: Callable[..., Any] | None = None,
    root: bool = True,
    at_end: float = 0.0,
) -> Any:
    """Ho et al. 2020, Algorithm 2 line 4, for a step that may skip some; v as for `check_sampler`.

    sigma(beta, beta_tilde, v) and on_eps(beta, alpha_bar_t) are the two factors, `at_end` that of sigma at s = 0.
    """
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    alpha, beta = now / then, 1.0 - now / then
    beta_tilde = beta * (1.0 - then) / (1.0 - now)
    factor = beta / np.sqrt(1.0 - now) if on_eps is None else on_eps(beta, now)
    mean = (x - factor * eps_model(x, t)) / (np.sqrt(alpha) if root else alpha)
    return mean + (sigma or deviation)(beta, beta_tilde, v) * (z if s > 0 else at_end * z)


def deviation(beta: Any, beta_tilde: Any, v: float) -> Any:
    """sigma where log sigma^2 = v log beta + (1 - v) log beta_tilde."""
    return np.sqrt(beta**v * beta_tilde ** (1.0 - v))


# --- slips of both -----------------------------------------------------------------------------------------------


def _to_t_minus_1(step: Any, eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    return step(eps_model, x, t, t - 1, schedule, z)


def _from_t_minus_1(step: Any, eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    shifted = _Shifted(schedule)
    return step(lambda x, _: eps_model(x, t), x, t, s, shifted, z)


class _Shifted:
    """A schedule whose alpha_bar is that of a step before."""

    def __init__(self, schedule: Any) -> None:
        self.alpha_bar = np.concatenate([schedule.alpha_bar[:1], schedule.alpha_bar[:-1]])


def _clipped(step: Any, eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    now = schedule.alpha_bar[t]

    def model(x: Any, t: int) -> Any:
        x0 = np.clip((x - np.sqrt(1.0 - now) * eps_model(x, t)) / np.sqrt(now), -1.0, 1.0)
        return (x - np.sqrt(now) * x0) / np.sqrt(1.0 - now)

    return step(model, x, t, s, schedule, z)


class _FixedStride:
    """The next chosen step is guessed from the first stride."""

    def __init__(self, step: Any) -> None:
        self.step = step

    def __call__(self, eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
        if t == len(schedule.alpha_bar) - 1:
            self.stride = t - s
        return self.step(eps_model, x, t, max(t - self.stride, 0), schedule, z)


def _told_s(step: Any, eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    return step(lambda x, _: eps_model(x, s), x, t, s, schedule, z)


def _of_both(right: Any) -> tuple[Slip, ...]:
    return (
        Slip("t_minus_1", "The formulas get t - 1 for the next step, whatever it is: it is s.  Right if no step is "
             "skipped.", partial(_to_t_minus_1, right)),
        Slip("fixed_stride", "The next step is guessed from one stride, t - T // steps: it is s.  Right if the steps "
             "are evenly spaced.", _FixedStride(right)),
        Slip("off_by_one", "alpha_bar is taken a step early, at t - 1 and s - 1: arrays are indexed by t itself.",
             partial(_from_t_minus_1, right)),
        Slip("clipped", "x_0 is clipped to -1..1: right for images in that range, wrong for any other data.",
             partial(_clipped, right)),
        Slip("told_s", "The network is told s: x_t goes with t.", partial(_told_s, right)),
    )  # fmt: skip


# --- slips of DDIM -----------------------------------------------------------------------------------------------


def _ddim_direction_of_t(*given: Any) -> Any:
    return ddim(*given, at=given[2])


def _ddim_undivided(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    return np.sqrt(then) * (x - np.sqrt(1.0 - now) * eps) + np.sqrt(1.0 - then) * eps


def _ddim_whole_x0(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    eps = eps_model(x, t)
    return (x - np.sqrt(1.0 - now) * eps) / np.sqrt(now) + np.sqrt(1.0 - then) * eps


def _ddim_fresh(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    now, then = schedule.alpha_bar[t], schedule.alpha_bar[s]
    x0 = (x - np.sqrt(1.0 - now) * eps_model(x, t)) / np.sqrt(now)
    return np.sqrt(then) * x0 + np.sqrt(1.0 - then) * z


OF_DDIM = (
    Slip("sign", "The direction to x_t is taken away: sqrt(1 - alpha_bar_s) eps is added.", partial(ddim, sign=-1.0)),
    Slip("no_direction", "The direction to x_t is missing: sqrt(1 - alpha_bar_s) eps.", partial(ddim, sign=0.0)),
    Slip("direction_of_t", "The direction has the noise of t, sqrt(1 - alpha_bar_t): it is that of s.",
         _ddim_direction_of_t),
    Slip("no_root", "The factors of eps are 1 - alpha_bar, which are variances: they are their square roots.",
         partial(ddim, root=lambda variance: variance)),
    Slip("undivided", "x_0 is not divided by sqrt(alpha_bar_t).", _ddim_undivided),
    Slip("whole_x0", "x_0 is not multiplied by sqrt(alpha_bar_s).", _ddim_whole_x0),
    Slip("fresh_noise", "The direction is fresh noise, z: in DDIM it is eps itself, and z is not used.", _ddim_fresh),
    Slip("ancestral", "This is the ancestral step, with noise: DDIM has none.", ancestral),
    Slip("ancestral_tilde", "This is the ancestral step with beta_tilde: DDIM has no noise.",
         partial(ancestral, v=0.0)),
    *_of_both(ddim),
)  # fmt: skip


# --- slips of the ancestral chain ---------------------------------------------------------------------------------


def _full_beta(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    return ancestral(eps_model, x, t, s, schedule, z, sigma=lambda *_: np.sqrt(schedule.beta[t]))


def _noise_by_t(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any, v: float) -> Any:
    return ancestral(eps_model, x, t, s, schedule, z, v=v, at_end=float(t > 1))


def _full_step(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any) -> Any:
    beta = schedule.beta[t]
    mean = (x - beta / np.sqrt(1.0 - schedule.alpha_bar[t]) * eps_model(x, t)) / np.sqrt(1.0 - beta)
    return mean + np.sqrt(beta) * z if s > 0 else mean


def _undivided(eps_model: Any, x: Any, t: int, s: int, schedule: Any, z: Any, v: float) -> Any:
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    mean = ancestral(eps_model, x, t, s, schedule, 0.0, v=v)
    return np.sqrt(alpha) * mean + ancestral(eps_model, x, t, s, schedule, z, v=v) - mean


def of_ancestral(v: float) -> tuple[Slip, ...]:
    """The slips of a chain whose variance has this v."""
    right = partial(ancestral, v=v)
    others = [
        Slip("variance_beta", "The variance is beta: another one was asked for.", partial(ancestral, v=1.0)),
        Slip(
            "variance_beta_tilde", "The variance is beta_tilde: another one was asked for.", partial(ancestral, v=0.0)
        ),
    ]
    return (
        Slip("noise_at_the_end", "Noise is added at the last step too.  Right if no noise is added at s = 0.",
             partial(ancestral, v=v, at_end=1.0)),
        Slip("noise_by_t", "Noise is left out where t = 1: it is where s = 0, which need not come of t = 1.  Right "
             "if no step is skipped.", partial(_noise_by_t, v=v)),
        Slip("full_beta", "The variance is beta_t of the full chain: a step that skips many adds more, "
             "1 - alpha_bar_t / alpha_bar_s.  Right if no step is skipped.", _full_beta),
        Slip("full_step", "alpha_t and beta_t are those of one step of the full chain: from t to s they are "
             "alpha_bar_t / alpha_bar_s, and 1 less it.  Right if no step is skipped.", _full_step),
        Slip("variance_for_deviation", "The noise is multiplied by its variance: the factor is the square root.",
             partial(ancestral, v=v, sigma=lambda *given: deviation(*given) ** 2)),
        Slip("without_logarithms", "The variances are interpolated: it is their logarithms.",
             partial(ancestral, v=v, sigma=lambda beta, tilde, v: np.sqrt(v * beta + (1.0 - v) * tilde))),
        *(others[:1] if v != 1.0 else ()),
        *(others[1:] if v != 0.0 else ()),
        Slip("no_noise", "No noise is added: sigma_t z is missing.", partial(ancestral, sigma=lambda *_: 0.0)),
        Slip("ddim", "This is the step of DDIM, without noise.", ddim),
        Slip("sign", "The noise that the network sees is added: it is taken away.",
             partial(ancestral, v=v, on_eps=lambda beta, now: -beta / np.sqrt(1.0 - now))),
        Slip("no_root", "In the factor of eps stands 1 - alpha_bar_t: it is its square root.",
             partial(ancestral, v=v, on_eps=lambda beta, now: beta / (1.0 - now))),
        Slip("alpha_for_alpha_bar", "In the factor of eps stands sqrt(1 - alpha_t): it is sqrt(1 - alpha_bar_t).",
             partial(ancestral, v=v, on_eps=lambda beta, now: np.sqrt(beta))),
        Slip("all_the_noise", "All the noise is taken away at once, sqrt(1 - alpha_bar_t) eps: one step takes beta_t "
             "/ sqrt(1 - alpha_bar_t) of it.",
             partial(ancestral, v=v, on_eps=lambda beta, now: np.sqrt(1.0 - now))),
        Slip("no_root_of_alpha", "The mean is divided by alpha_t: it is by its square root.",
             partial(ancestral, v=v, root=False)),
        Slip("undivided", "The mean is not divided by sqrt(alpha_t).", partial(_undivided, v=v)),
        *_of_both(right),
    )  # fmt: skip
