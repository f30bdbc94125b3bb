"""The order of a solver, and its table as it is printed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from checks.chains import run

from numpy_diffusion.oracles.gaussian_mixture import Gaussian, GaussianMixture
from numpy_diffusion.process.coefficients import Coefficients
from numpy_diffusion.process.schedules import Schedule
from numpy_diffusion.sampling import solvers
from numpy_diffusion.sampling.solvers import METHODS


def drawn(seed: int, N: int = 4) -> np.ndarray:
    """x_t and eps: [2, N, 3]."""
    return np.random.default_rng(seed).normal(size=(2, N, 3))


def table(schedule: Schedule, method: str, times: Any, **option: Any) -> Coefficients:
    """The rows from each of `times` to the next: the last is where they end."""
    times = np.asarray(times)
    makers = dict(zip(METHODS, ("ancestral", "ddim", "euler", "heun", "dpm_2m", "dpm_3m"), strict=True))
    return getattr(solvers, makers[method])(schedule, times[:-1], times[1:], **option)


MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [1.0, 0.0]], [0.1 * np.eye(2), [[0.3, 0.1], [0.1, 0.2]]])


TIMES = [1000, 900, 720, 655, 300, 170, 60, 5]


def karras(schedule: Schedule, times: list[int], x: np.ndarray, model: Any, second: bool) -> np.ndarray:
    """Algorithm 1 of Karras et al. 2022, in x' = x / sqrt(alpha_bar), without its correction unless `second`."""
    sigma = np.sqrt((1 - schedule.alpha_bar) / schedule.alpha_bar)
    scaled = x / math.sqrt(schedule.alpha_bar[times[0]])
    for t, s in itertools.pairwise(times):
        slope = model(math.sqrt(schedule.alpha_bar[t]) * scaled, t)
        trial = scaled + (sigma[s] - sigma[t]) * slope
        if second and s > 0:
            after = model(math.sqrt(schedule.alpha_bar[s]) * trial, s)
            trial = scaled + (sigma[s] - sigma[t]) * (slope / 2 + after / 2)
        scaled = trial
    return math.sqrt(schedule.alpha_bar[times[-1]]) * scaled


def dpm_2m(schedule: Schedule, times: list[int], x: np.ndarray, model: Any) -> np.ndarray:
    """Algorithm 2 of Lu et al. 2022; to s = 0, where exp(-h) is 0, its first-order step."""
    alpha, sigma = np.sqrt(schedule.alpha_bar), np.sqrt(1 - schedule.alpha_bar)
    last_x0, last_h = None, None
    for t, s in itertools.pairwise(times):
        x0 = (x - sigma[t] * model(x, t)) / alpha[t]
        if s == 0:
            return x0
        h = math.log(alpha[s] / sigma[s]) - math.log(alpha[t] / sigma[t])
        if last_x0 is None:
            D = x0
        else:
            r = last_h / h
            D = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * last_x0
        x = sigma[s] / sigma[t] * x - alpha[s] * (math.exp(-h) - 1) * D
        last_x0, last_h = x0, h
    return x


def check_as_printed(schedule: Schedule, times: list[int]) -> None:
    x, model = drawn(6)[0, :, :2], MIXTURE.eps(schedule)
    expected = {
        "euler": karras(schedule, times, x, model, second=False),
        "heun": karras(schedule, times, x, model, second=True),
        "dpm++2m": dpm_2m(schedule, times, x, model),
    }
    for method, printed in expected.items():
        np.testing.assert_allclose(run(table(schedule, method, times), model, x), printed, rtol=0, atol=1e-9)


FINE = Schedule.linear(65536)


HIGH, LOW = 49152, 8192  # log-SNR from -5.7 to 1.7


POINTS = np.random.default_rng(0).normal(size=(20, 2))


CORRELATED = Gaussian([1.0, -2.0], [[1.0, 0.6], [0.6, 0.5]])


ORDERS = {"ddim": 1, "euler": 1, "heun": 2, "dpm++2m": 2, "dpm++3m": 3}


def even(n: int) -> np.ndarray:
    """n steps from HIGH to LOW, all of one length: lambda is smooth in t, so it is smooth in their number."""
    assert (HIGH - LOW) % n == 0
    return np.arange(HIGH, LOW - 1, -(HIGH - LOW) // n)


def exact_flow(x: np.ndarray) -> np.ndarray:
    """The ODE takes x_t - sqrt(alpha_bar_t) m to x_s - ... by the ratio of standard deviations, along each axis."""
    values, vectors = np.linalg.eigh(CORRELATED.covariance)
    after, before = (FINE.alpha_bar[t] * values + 1 - FINE.alpha_bar[t] for t in (LOW, HIGH))
    along = (x - math.sqrt(FINE.alpha_bar[HIGH]) * CORRELATED.mean) @ vectors
    return math.sqrt(FINE.alpha_bar[LOW]) * CORRELATED.mean + (along * np.sqrt(after / before)) @ vectors.T


def check_order(method: str, model: Any, exact: np.ndarray, least: int) -> None:
    """Each of four halvings, from `least` steps on, divides the error by 2 to the order, its exponent to 0.1."""
    ends = [run(table(FINE, method, even(least * 2**k)), model, POINTS) for k in range(5)]
    errors = [np.linalg.norm(x - exact) for x in ends]
    np.testing.assert_allclose(-np.diff(np.log2(errors)), ORDERS[method], rtol=0, atol=0.1)


def check_order_on_a_gaussian(method: str) -> None:
    check_order(method, CORRELATED.eps(FINE), exact_flow(POINTS), 256)
