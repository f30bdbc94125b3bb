"""Lab 1, the forward chain: betas, alpha_bar and the jump to x_t (Ho et al. 2020, section 2 and eq 4)."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from numpy_diffusion.evaluation.exercise import Case, Exercise, Slip, Sum
from numpy_diffusion.process.schedules import BETA_END, BETA_MAX, BETA_START, Schedule

LENGTHS = (1000, 50, 10)  # the last with a beta that has to be clipped
NAMES = ("linear", "quadratic", "sigmoid", "cosine")


def _betas(name: str, T: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a short chain does not end in noise
        schedule: Schedule = getattr(Schedule, name)(T)
    return schedule.beta


def _unscaled(T: int) -> np.ndarray:
    return np.append(0.0, np.linspace(BETA_START, BETA_END, T))


def _scaled(T: int) -> tuple[float, float]:
    return min(BETA_START * 1000.0 / T, BETA_MAX), min(BETA_END * 1000.0 / T, BETA_MAX)


OF_LINEAR = (
    Slip(
        "unscaled",
        "The betas are those of T = 1000 at every T, so a short chain does not end in noise: "
        "multiply both ends by 1000 / T.",
        _unscaled,
    ),
    Slip(
        "unscaled_without_zero",
        "beta_0 = 0 is missing, and the betas are those of T = 1000 at every T: beta[t] is beta_t, "
        "and both ends are multiplied by 1000 / T.",
        lambda T: _unscaled(T)[1:],
    ),
    Slip(
        "unclipped",
        "A beta of a short chain is above 1: both ends are at most 0.999.",
        lambda T: np.append(0.0, np.linspace(BETA_START, BETA_END, T) * 1000.0 / T),
    ),
    Slip(
        "clipped_late",
        "The betas are clipped one by one: the two ends are, at 0.999, and the spacing is between them.",
        lambda T: np.append(0.0, np.minimum(np.linspace(BETA_START, BETA_END, T) * 1000.0 / T, BETA_MAX)),
    ),
    Slip(
        "end_not_reached",
        "beta_T is not reached: the T betas include both ends, as np.linspace's do.",
        lambda T: np.append(0.0, np.linspace(*_scaled(T), T, endpoint=False)),
    ),
    Slip(
        "one_too_many",
        "The spacing has T + 1 values from t = 0 on: beta_1 is the first, and beta_0 = 0 stands before it.",
        lambda T: np.linspace(*_scaled(T), T + 1),
    ),
    Slip(
        "one_too_many_unscaled",
        "The spacing has T + 1 values from t = 0 on, and the betas are those of T = 1000 at every T: beta_0 "
        "= 0 stands before beta_1, and both ends are multiplied by 1000 / T.",
        lambda T: np.linspace(BETA_START, BETA_END, T + 1),
    ),
    Slip(
        "zero_to_end",
        "The betas rise from beta_0 = 0 on: they rise from beta_1 = 1e-4 (times 1000 / T).",
        lambda T: np.linspace(0.0, _scaled(T)[1], T + 1),
    ),
    Slip(
        "zero_to_end_unscaled",
        "The betas rise from beta_0 = 0 on, and to the end of T = 1000 at every T: they rise from beta_1 = "
        "1e-4, and both ends are multiplied by 1000 / T.",
        lambda T: np.linspace(0.0, BETA_END, T + 1),
    ),
)


def schedule(name: str) -> Exercise:
    """betas(T) of the schedule of this name."""
    spaced = OF_LINEAR if name == "linear" else ()
    others = [
        Slip(f"spacing_of_{other}", f"These are the betas of the {other} schedule.", _of(other))
        for other in NAMES
        if other != name
    ]
    without_zero = Slip(
        "without_zero",
        "beta_0 = 0 is missing: the array has T + 1 numbers, so that beta[t] is the paper's beta_t.",
        lambda T: _betas(name, T)[1:],
    )
    cases = [Case(f"T = {T}", (T,)) for T in LENGTHS]
    return Exercise("betas(T)", ("beta",), _of(name), (without_zero, *spaced, *others), lambda: cases)


def _of(name: str) -> Callable[[int], np.ndarray]:
    return lambda T: _betas(name, T)


# --- alpha_bar ---------------------------------------------------------------------------------------------------


def _alpha_bars(beta: np.ndarray) -> np.ndarray:
    return np.cumprod(1.0 - beta)


def _beta_cases() -> list[Case]:
    return [Case(f"{name}, T = {T}", (_betas(name, T).copy(),)) for name, T in (("linear", 1000), ("cosine", 20))]


ALPHA_BARS = Exercise(
    "alpha_bars(beta)",
    ("alpha_bar",),
    _alpha_bars,
    (
        Slip("late", "alpha_bar is one step late: alpha_bar[t] includes alpha_t.",
             lambda beta: np.append(1.0, _alpha_bars(beta)[:-1])),
        Slip("early", "alpha_bar is one step early: alpha_bar[0] is 1, and alpha_bar[1] is alpha_1.",
             lambda beta: np.cumprod(1.0 - np.append(beta[1:], beta[-1]))),
        Slip("without_first", "alpha_bar[0] = 1 is missing: beta has T + 1 numbers, and so has alpha_bar.",
             lambda beta: _alpha_bars(beta)[1:]),
        Slip("alpha_alone", "These are the alpha_t, not yet their products.", lambda beta: 1.0 - beta),
        Slip("of_beta", "The product is of the betas: it is of alpha_t = 1 - beta_t.", np.cumprod),
        Slip("one_minus", "This is 1 - alpha_bar_t, the variance of the noise.",
             lambda beta: 1.0 - _alpha_bars(beta)),
        Slip("summed", "1 minus the sum of the betas is alpha_bar only near 1: the alphas are multiplied.",
             lambda beta: 1.0 - np.cumsum(beta)),
        Slip("root", "This is sqrt(alpha_bar_t), the factor of x_0: the root is taken later.",
             lambda beta: np.sqrt(_alpha_bars(beta))),
    ),
    _beta_cases,
)  # fmt: skip


# --- the jump ----------------------------------------------------------------------------------------------------


def jump(x0: np.ndarray, t: np.ndarray, eps: np.ndarray, alpha_bar: np.ndarray) -> np.ndarray:
    return _mixed(x0, eps, np.sqrt(alpha_bar[t]), np.sqrt(1.0 - alpha_bar[t]))


def _mixed(x0: np.ndarray, eps: np.ndarray, on_x0: np.ndarray, on_eps: np.ndarray) -> np.ndarray:
    return on_x0[:, None] * x0 + on_eps[:, None] * eps


def _jump_cases() -> list[Case]:
    rng, alpha_bar = np.random.default_rng(0), Schedule.linear(1000).alpha_bar
    x0, eps = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    times = {"t = 1": [1] * 5, "t = 1000": [1000] * 5, "each its own t": [700, 3, 250, 999, 40]}
    return [Case(name, (x0, np.array(t), eps, alpha_bar.copy())) for name, t in times.items()]


def _sums(x0: np.ndarray, t: np.ndarray, eps: np.ndarray, alpha_bar: np.ndarray) -> list[Sum]:
    same = len(set(t.tolist())) == 1
    return [Sum(f"t = {t[0]}", ..., {"x_0": x0, "eps": eps})] if same else []


Q_SAMPLE = Exercise(
    "q_sample(x0, t, eps, alpha_bar)",
    ("x_t",),
    jump,
    (
        Slip("variance_for_deviation", "The noise is multiplied by 1 - alpha_bar_t, its variance: the factor is the "
             "square root of it.",
             lambda x0, t, eps, ab: _mixed(x0, eps, np.sqrt(ab[t]), 1.0 - ab[t])),
        Slip("no_root_of_signal", "x_0 is multiplied by alpha_bar_t: the factor is its square root.",
             lambda x0, t, eps, ab: _mixed(x0, eps, ab[t], np.sqrt(1.0 - ab[t]))),
        Slip("no_roots", "Both square roots are missing: sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t).",
             lambda x0, t, eps, ab: _mixed(x0, eps, ab[t], 1.0 - ab[t])),
        Slip("one_minus_root", "The noise is multiplied by 1 - sqrt(alpha_bar_t): it is sqrt(1 - alpha_bar_t), so "
             "that the squares of both factors add up to 1.",
             lambda x0, t, eps, ab: _mixed(x0, eps, np.sqrt(ab[t]), 1.0 - np.sqrt(ab[t]))),
        Slip("swapped", "The factors of x_0 and eps are exchanged: at t = 1 nearly all is x_0.",
             lambda x0, t, eps, ab: jump(eps, t, x0, ab)),
        Slip("off_by_one", "alpha_bar is taken at t - 1: arrays are indexed by t itself, alpha_bar[t].",
             lambda x0, t, eps, ab: jump(x0, t - 1, eps, ab)),
        Slip("one_step", "This is one step of the chain, with alpha_t: the jump from x_0 needs the product of all "
             "alphas up to t, alpha_bar_t.",
             lambda x0, t, eps, ab: _mixed(x0, eps, np.sqrt(ab[t] / ab[t - 1]), np.sqrt(1.0 - ab[t] / ab[t - 1]))),
        Slip("place_in_batch", "alpha_bar is indexed by the place in the batch: it belongs to t[n], not to n.",
             lambda x0, t, eps, ab: jump(x0, np.arange(len(t)), eps, ab)),
        Slip("first_t", "The t of the first sample is used for all: each sample has its own.",
             lambda x0, t, eps, ab: jump(x0, np.full_like(t, t[0]), eps, ab)),
        Slip("full_noise", "The noise has no factor: sqrt(1 - alpha_bar_t).",
             lambda x0, t, eps, ab: _mixed(x0, eps, np.sqrt(ab[t]), np.ones(len(t)))),
        Slip("no_column", "alpha_bar[t] is [N] and x_0 is [N, 2]: NumPy needs a column, alpha_bar[t][:, None].",
             lambda x0, t, eps, ab: np.sqrt(ab[t]) * x0 + np.sqrt(1.0 - ab[t]) * eps),
    ),
    _jump_cases,
    _sums,
)  # fmt: skip
